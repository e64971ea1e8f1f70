// SPDX-License-Identifier: GPL-3.0-or-later
// Releases that other nodes have: heard of within a second, looked at under this node's own policy.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "peer/flag.h"
#include "peer/peer.h"

namespace aptward::peer {
namespace {

constexpr std::chrono::milliseconds kSlack{10'000};      // for an answer that was waited for
constexpr std::chrono::milliseconds kLeastPause{250};    // between two questions
constexpr std::chrono::milliseconds kFollowAgain{5000};  // after one that went wrong
constexpr std::chrono::seconds kRefusedFor{600};         // a policy or a clock may change
constexpr std::chrono::seconds kIgnoredFor{60};
constexpr std::chrono::seconds kHeldFor{30};
constexpr std::size_t kMostTried = 4096;  // of a peer's releases, by archive
constexpr std::size_t kMostAtOnce = 64;   // of one peer, until it is looked at again; guess
constexpr std::size_t kMostOfASuite = 2;

}  // namespace

bool Peers::is_followed_on(const PeerPtr& peer) const
{
    const auto peers = peers_.load();
    return !is_stopping_ && is_asked(peer->link.load()->state) &&
           std::find(peers->begin(), peers->end(), peer) != peers->end();
}

http::Async<void> Peers::follow(PeerPtr peer)
{
    const Flag following(peer->is_followed);
    peer->follow_again = steady_now() + kFollowAgain;
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
        if (!document || !key) {
            peer->heard = SteadyTime{};  // until it answers again
            break;
        }
        peer->heard = steady_now();
        if (!document->is_unchanged) {
            auto heads = read_heads(document->body, *key);
            if (!heads) {
                tell(*peer, "peer.malformed", heads.error().message());
                break;
            }
            etag = document->etag;
            take_heads(peer, std::move(*heads), document->body);
        }
        co_await http::sleep_until(began + kLeastPause);
    }
    peer->follow_again = steady_now() + kFollowAgain;
}

// One process tells one thing under one number, and never a lower one after a higher one: else it
// tells different nodes different things, or somebody else has its key.
bool Peers::is_fork(const Peer& peer, const Heads& heads, const std::string& note) const
{
    return peer.told_run == heads.run &&
           (heads.number < peer.told_number ||
            (heads.number == peer.told_number && note != peer.told_note));
}

// Both, signed by its key: whoever has its identity can tell that it was no mistake of this node.
std::string Peers::keep_notes(const Peer& peer, const std::string& note) const
{
    catalog::Refused::Entry entry;
    entry.source = peer.settings.url;
    entry.code = "peer.forked";
    entry.message = "two notes of one run";
    entry.time = system_now();
    entry.files.inrelease = peer.told_note + "\n" + note;
    entry.id = crypto::digest_of(entry.files.inrelease).hex();
    const std::string id = entry.id;
    services_.state_thread.post([refused = &services_.refused, entry = std::move(entry)] {
        if (const auto kept = refused->put(entry); !kept)
            log_warning("store.failed", {}, kept.error().message());
    });
    return id;
}

void Peers::take_heads(const PeerPtr& peer, Heads heads, const std::string& note)
{
    if (is_fork(*peer, heads, note)) {
        tell(*peer, "peer.forked",
             fmt::format("after number {} it told another note with number {}", peer->told_number,
                         heads.number),
             keep_notes(*peer, note));
        ignore(peer, "it told two things under one number");
        return;
    }
    peer->told_number = heads.number;
    peer->told_note = note;
    if (std::exchange(peer->told_run, heads.run) != heads.run || heads.have == 0) {
        peer->heard_have = 0;
        peer->sets = std::make_shared<const HaveSets>();
    }
    peer->told_have = heads.have;
    http::spawn(services_.control, "hearing what a peer holds", hear(peer));
    peer->torrents = std::make_shared<const std::vector<std::string>>(std::move(heads.torrents));
    if (heads.heads == *peer->heads.load())
        return;
    peer->heads = std::make_shared<const std::vector<Head>>(std::move(heads.heads));
    http::spawn(services_.control, "looking at a peer's releases", consider(peer));
}

// One at a time of a peer, however often it tells something new.
http::Async<void> Peers::consider(PeerPtr peer)
{
    peer->must_consider = true;
    if (peer->is_considered)
        co_return;
    peer->is_considered = true;
    const Flag considering(peer->is_considered);
    while (std::exchange(peer->must_consider, false)) {
        co_await look_at_heads(peer);
    }
}

// Also at what could not be had when it was told.
http::Async<void> Peers::look_at_heads(PeerPtr peer)
{
    const auto heads = peer->heads.load();
    std::size_t taken = 0;
    for (const Head& head : *heads) {
        const auto routes = front_.routes();
        for (const auto& archive : routes->archives) {
            const bool is_wanted = taken < kMostAtOnce &&
                                   steady_now() >= peer->ignored_until.load() &&
                                   archive->wants_shown(head.suite, head.id, head.date);
            if (!is_wanted)
                continue;
            const bool is_tried = co_await take(peer, head, archive);
            taken += is_tried ? 1 : 0;
        }
    }
}

void Peers::look_for(const std::shared_ptr<archive::Archive>& archive, const std::string& suite)
{
    const auto peers = peers_.load();
    for (const PeerPtr& peer : *peers)
        if (peer->may_be_asked())
            http::spawn(services_.control, "looking for a suite at a peer",
                        look_for_suite(peer, archive, suite));
}

http::Async<void> Peers::look_for_suite(PeerPtr peer, std::shared_ptr<archive::Archive> archive,
                                        std::string suite)
{
    const auto heads = peer->heads.load();
    std::size_t taken = 0;
    for (const Head& head : *heads) {
        const bool is_wanted = head.suite == suite && taken < kMostOfASuite &&
                               steady_now() >= peer->ignored_until.load() &&
                               archive->wants_shown(suite, head.id, head.date);
        if (!is_wanted)
            continue;
        const bool is_tried = co_await take(peer, head, archive);
        taken += is_tried ? 1 : 0;
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

// False when it was looked at lately.
http::Async<bool> Peers::take(PeerPtr peer, Head head, std::shared_ptr<archive::Archive> archive)
{
    using Outcome = archive::Offered::Outcome;
    const std::string key =
        fmt::format("{} {} {}", peer->settings.url, archive->settings().id, head.id);
    if (must_try_again_.exchange(false) || tried_.size() >= kMostTried)
        tried_.clear();
    const auto known = tried_.find(key);
    if (known != tried_.end() && steady_now() < known->second)
        co_return false;
    tried_[key] = steady_now() + kHeldFor;
    auto files = co_await get_release(peer, head);
    if (!files)
        co_return true;
    const auto offered =
        co_await archive->take_shown(head.suite, head.id, std::move(*files), peer->source);
    note_taken(peer, offered);
    if (archive->is_retired())  // the one that took its place has not looked at it
        tried_.erase(key);
    else if (offered.outcome == Outcome::published)
        tell(*peer, "peer.release",
             fmt::format("{} {} has a newer release, from this peer", archive->settings().id,
                         head.suite));
    else if (offered.outcome != Outcome::held)
        tried_[key] = steady_now() + kRefusedFor;
    co_return true;
}

// Charged, then ignored, then tried again.
void Peers::note_taken(const PeerPtr& peer, const archive::Offered& offered)
{
    if (!archive::is_nobodys(offered.verdict.code)) {
        peer->lies = 0;
        return;
    }
    ignore(peer, offered.verdict.message);
}

void Peers::ignore(const PeerPtr& peer, const std::string& why)
{
    const unsigned doublings = std::min(peer->lies++, 6U);
    peer->ignored_until = steady_now() + kIgnoredFor * (1 << doublings);
    tell(*peer, "peer.ignored",
         fmt::format("what it shows is not looked at for {}: {}",
                     human_seconds(kIgnoredFor.count() * (1 << doublings)), why));
}

}  // namespace aptward::peer
