// SPDX-License-Identifier: GPL-3.0-or-later
// Releases that other nodes have: heard of within a second, looked at under this node's own policy.
#include <fmt/format.h>

#include "crypto/crypto.h"
#include "peer/peer.h"

namespace aptward::peer {
namespace {

constexpr std::chrono::milliseconds kSlack{10'000};      // for an answer that was waited for
constexpr std::chrono::milliseconds kLeastPause{250};    // between two questions
constexpr std::chrono::milliseconds kFollowAgain{5000};  // after one that went wrong
constexpr std::chrono::seconds kRefusedFor{3600};
constexpr std::chrono::seconds kHeldFor{30};
constexpr std::size_t kMostTried = 4096;  // (archive, release) pairs that are remembered
constexpr int kMostLooks = 4;             // for one suite that nobody else has; guess

}  // namespace

bool Peers::is_followed_on(const PeerPtr& peer) const
{
    const auto peers = peers_.load();
    return !is_stopping_ && is_asked(peer->link.load()->state) &&
           std::find(peers->begin(), peers->end(), peer) != peers->end();
}

http::Async<void> Peers::follow(PeerPtr peer)
{
    std::string etag;
    while (is_followed_on(peer)) {
        const SteadyTime began = steady_now();
        const auto key = peer->link.load()->key;
        fetch::DocumentRequest request;
        request.source = peer->talk;
        request.path = path_of(AskedHeads{kLongestWait});
        request.limit_bytes = tlog::kMaxNoteBytes;
        request.time_limit = kLongestWait + kSlack;
        request.etag = etag;
        request.is_optional = true;
        const auto document = co_await services_.fetcher.document(std::move(request));
        if (!document || !key)
            break;
        if (!document->is_unchanged) {
            auto heads = read_heads(document->body, *key);
            if (!heads) {
                tell(*peer, "peer.malformed", heads.error().message());
                break;
            }
            etag = document->etag;
            peer->heads = std::make_shared<const std::vector<Head>>(std::move(heads->heads));
            co_await consider(peer);
        }
        co_await http::sleep_until(began + kLeastPause);
    }
    peer->follow_again = steady_now() + kFollowAgain;
    peer->is_followed = false;
}

// Also of what could not be had when it was told.
http::Async<void> Peers::consider(PeerPtr peer)
{
    const auto heads = peer->heads.load();
    for (const Head& head : *heads) {
        const auto routes = front_.routes();
        for (const auto& archive : routes->archives)
            if (archive->wants_shown(head.suite, head.id, head.date)) {
                co_await take(peer, head, archive);
            }
    }
}

http::Async<void> Peers::look_for(std::shared_ptr<archive::Archive> archive, std::string suite)
{
    int looks = 0;
    const auto peers = peers_.load();
    for (const PeerPtr& peer : *peers) {
        const auto heads = peer->heads.load();
        for (const Head& head : *heads)
            if (is_asked(peer->link.load()->state) && head.suite == suite && looks < kMostLooks &&
                archive->wants_shown(suite, head.id, head.date)) {
                ++looks;
                co_await take(peer, head, archive);
            }
    }
}

http::Task<catalog::ReleaseFiles> Peers::get_release(PeerPtr peer, Head head)
{
    catalog::ReleaseFiles files;
    const auto get = [&](const char* name) {
        fetch::DocumentRequest request;
        request.source = peer->talk;
        request.path = path_of(AskedRelease{head.id, name});
        request.limit_bytes = crypto::kMaxReleaseBytes;
        request.is_optional = true;
        return services_.fetcher.document(std::move(request));
    };
    if (head.has_inrelease) {
        CO_TRY(auto inrelease, co_await get("InRelease"));
        files.inrelease = std::move(inrelease.body);
        co_return files;
    }
    CO_TRY(auto release, co_await get("Release"));
    CO_TRY(auto signature, co_await get("Release.gpg"));
    files.release = std::move(release.body);
    files.release_gpg = std::move(signature.body);
    co_return files;
}

http::Async<void> Peers::take(PeerPtr peer, Head head, std::shared_ptr<archive::Archive> archive)
{
    using Outcome = archive::Offered::Outcome;
    const std::string key = archive->settings().id + " " + head.id;
    if (must_try_again_.exchange(false) || tried_.size() >= kMostTried)
        tried_.clear();
    const auto known = tried_.find(key);
    if (known != tried_.end() && steady_now() < known->second)
        co_return;
    tried_[key] = steady_now() + kHeldFor;  // nobody else takes it meanwhile
    auto files = co_await get_release(peer, head);
    if (!files)
        co_return;
    const auto offered = co_await archive->take_shown(head.suite, std::move(*files), peer->source);
    if (archive->is_retired())  // the one that took its place has not looked at it
        tried_.erase(key);
    else if (offered.outcome == Outcome::published)
        tell(*peer, "peer.release",
             fmt::format("{} {} has a newer release, from this peer", archive->settings().id,
                         head.suite));
    else if (offered.outcome != Outcome::held)
        tried_[key] = steady_now() + kRefusedFor;
}

}  // namespace aptward::peer
