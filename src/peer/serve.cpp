// SPDX-License-Identifier: GPL-3.0-or-later
// What other nodes are told and given: what is held, and what a near one wants fetched. That is got
// from upstreams alone: two nodes that asked each other for it would wait for each other.
#include <fmt/format.h>

#include "archive/send.h"
#include "base/version.h"
#include "peer/peer.h"

namespace aptward::peer {
namespace {

// Less than another node takes for silence.
constexpr std::chrono::milliseconds kExpected{700};

http::Async<void> refuse(http::Exchange& exchange, int status, std::string code,
                         std::string message)
{
    http::Answer answer(status);
    answer.type("text/plain; charset=utf-8");
    const std::string body = code + ": " + message + "\n";
    co_await exchange.send(std::move(answer), body);
}

}  // namespace

// On a machine that serves itself alone, and gives to its neighbours.
bool Peers::admits(const std::string& address) const
{
    return may_ask_ == MayAsk::local && http::is_private_address(address);
}

http::Async<void> Peers::answer(http::Exchange& exchange)
{
    const http::Target& target = exchange.target();
    if (may_ask_ == MayAsk::nobody || !identity_) {
        co_await refuse(exchange, 403, "peer.not-allowed",
                        "this node gives nothing to other nodes (peers-may-ask)");
        co_return;
    }
    // Through here a client of a late ring would come before its turn.
    if (front_.ring_of(exchange.principal().address) > 0) {
        co_await refuse(exchange, 403, "peer.ring",
                        "this address is in a ring, whose turn comes later");
        co_return;
    }
    auto asked = parse_request(target.path, target.query);
    if (!asked) {
        const bool is_other = asked.error().code() == Errc::stale;
        const int status = is_other ? 404 : 400;
        std::string code = is_other ? "peer.protocol" : "peer.malformed";
        co_await refuse(exchange, status, std::move(code), asked.error().message());
        co_return;
    }
    const std::string& address = exchange.principal().address;
    if (!is_within_budget(address)) {
        co_await refuse(exchange, 429, "peer.greedy",
                        "this address has asked for more than its share; ask later");
        co_return;
    }
    co_await answer_asked(exchange, std::move(*asked));
    budgets_.spend(address, exchange.sent_bytes());
}

bool Peers::is_within_budget(const std::string& address)
{
    const auto answer = budgets_.ask(address, steady_now());
    if (answer == Budgets::Answer::refused_anew) {
        catalog::Event event;
        event.code = "peer.greedy";
        event.source = address;
        event.message = "as another node it asks for more than its share, and is refused for now";
        services_.events.add(std::move(event));
    }
    return answer == Budgets::Answer::granted;
}

http::Async<void> Peers::answer_asked(http::Exchange& exchange, Asked asked)
{
    if (auto* node = std::get_if<AskedNode>(&asked)) {
        co_await tell_who(exchange, std::move(*node));
        co_return;
    }
    if (const auto* heads = std::get_if<AskedHeads>(&asked)) {
        co_await tell_heads(exchange, *heads);
        co_return;
    }
    if (const auto* have = std::get_if<AskedHave>(&asked)) {
        co_await tell_have(exchange, *have);
        co_return;
    }
    if (auto* release = std::get_if<AskedRelease>(&asked)) {
        co_await give_release(exchange, std::move(*release));
        co_return;
    }
    if (const auto* torrent = std::get_if<AskedTorrent>(&asked)) {
        co_await give_torrent(exchange, *torrent);
        co_return;
    }
    if (const auto* share = std::get_if<AskedShare>(&asked)) {
        co_await give_share(exchange, *share);
        co_return;
    }
    auto file = std::get<AskedFile>(std::move(asked));
    co_await give(exchange, std::move(file));
}

http::Async<void> Peers::tell_who(http::Exchange& exchange, AskedNode asked)
{
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    const NodeText node{identity_->verifier(), run_, fmt::format("aptward/{}", version()), {1}, now,
                        std::move(asked.nonce)};
    http::Answer answer(200);
    answer.type("text/plain; charset=utf-8").header("Cache-Control", "no-store");
    const std::string body = tlog::to_string(identity_->sign(to_text(node)));
    co_await exchange.send(std::move(answer), body);
}

// An archive may have become private since, or be served no more: what a torrent says of it is
// nobody else's then.
bool Peers::is_for_others(const Torrent& torrent) const
{
    const auto archive = front_.find_archive(torrent.archive);
    return archive != nullptr && !archive->given_releases().empty();
}

std::shared_ptr<const OwnHeads::Announced> Peers::heads_now()
{
    std::vector<std::string> hashes;
    const auto torrents = torrents_.all();
    for (const auto& [hash, torrent] : *torrents)
        if (is_for_others(*torrent))
            hashes.push_back(hash);
    return own_heads_->now(front_.routes()->archives, own_sets_->number(), std::move(hashes));
}

http::Async<void> Peers::tell_heads(http::Exchange& exchange, AskedHeads asked)
{
    was_asked_ = true;
    auto signal = co_await http::make_signal();
    const auto slot = waiting_slots_.take(exchange.principal().address);
    const bool may_wait = slot != nullptr && waiting_.enter(signal);
    const SteadyTime deadline = steady_now() + asked.wait;
    const auto known = exchange.head().header("If-None-Match");
    auto heads = heads_now();
    if (known == heads->etag && asked.wait.count() > 0 && !may_wait) {
        co_await refuse(exchange, 429, "peer.busy", "others wait for news already; ask later");
        co_return;
    }
    while (known == heads->etag && may_wait && !is_stopping_ && steady_now() < deadline) {
        co_await signal->wait_until(deadline);
        heads = heads_now();
    }
    const bool is_known = known == heads->etag;
    http::Answer answer(is_known ? 304 : 200);
    answer.type("text/plain; charset=utf-8").header("ETag", heads->etag);
    const std::string_view body = is_known ? std::string_view() : heads->note;
    co_await exchange.send(std::move(answer), body);
}

http::Async<void> Peers::tell_have(http::Exchange& exchange, AskedHave asked)
{
    const auto slot = have_slots_.take(exchange.principal().address);
    if (slot == nullptr) {
        co_await refuse(exchange, 429, "peer.busy", "this address is being told already");
        co_return;
    }
    http::Answer answer(200);
    answer.type("application/octet-stream").header("Cache-Control", "no-store");
    const std::string body = own_sets_->text_after(asked.after);
    co_await exchange.send(std::move(answer), body);
}

http::Async<void> Peers::give_release(http::Exchange& exchange, AskedRelease asked)
{
    const auto routes = front_.routes();
    for (const auto& archive : routes->archives) {
        const auto generation = archive->find_given_release(asked.id);
        if (generation == nullptr)
            continue;
        const catalog::ReleaseFiles& files = generation->files();
        const std::string& bytes = asked.name == "InRelease" ? files.inrelease
                                   : asked.name == "Release" ? files.release
                                                             : files.release_gpg;
        if (bytes.empty())
            break;
        http::Answer answer(200);
        answer.type("text/plain; charset=utf-8");
        ++answers_;
        bytes_ += bytes.size();
        co_await exchange.send(std::move(answer), bytes);
        co_return;
    }
    ++not_held_;
    co_await refuse(exchange, 404, "peer.not-held",
                    "this release is not held here; that says nothing about the archive");
}

http::Async<void> Peers::give_torrent(http::Exchange& exchange, AskedTorrent asked)
{
    const auto torrent = torrents_.find(asked.info_hash);
    if (torrent == nullptr || !is_for_others(*torrent)) {
        ++not_held_;
        co_await refuse(exchange, 404, "peer.not-held", "this torrent is not published here");
        co_return;
    }
    const auto slot = have_slots_.take(exchange.principal().address);
    if (slot == nullptr) {
        co_await refuse(exchange, 429, "peer.busy", "this address is being told already");
        co_return;
    }
    const std::string body = to_torrent(torrent->metainfo);
    http::Answer answer(200);
    answer.type("application/x-bittorrent");
    ++answers_;
    bytes_ += body.size();
    co_await exchange.send(std::move(answer), body);
}

// It was published when everybody might have it; that is looked at each time, as for any file.
http::Async<void> Peers::give_share(http::Exchange& exchange, AskedShare asked)
{
    auto file = torrents_.find(asked);
    if (!file) {
        ++not_held_;
        co_await refuse(exchange, 404, "peer.not-held", "this torrent is not published here");
        co_return;
    }
    co_await give(exchange, std::move(*file));
}

bool Peers::is_quiet_for(const std::string& address) const
{
    const auto hours = quiet_.load();
    return !hours->empty() && are_quiet(*hours, system_now()) && !http::is_private_address(address);
}

http::Async<void> Peers::give(http::Exchange& exchange, AskedFile asked)
{
    if (is_quiet_for(exchange.principal().address)) {
        co_await refuse(exchange, 429, "peer.quiet",
                        "at this hour nothing is given to other networks (peer-quiet)");
        co_return;
    }
    const auto routes = front_.routes();
    for (const auto& archive : routes->archives) {
        const auto given = asked.kind == AskedFile::Kind::index
                               ? archive->find_given_index(asked.digest, asked.path)
                               : archive->find_given_pool(asked.digest, asked.path);
        if (!given)
            continue;
        const bool is_given = co_await give_of_archive(exchange, asked, *archive, *given);
        if (is_given) {
            ++answers_;
            bytes_ += exchange.sent_bytes();
            co_return;
        }
    }
    if (exchange.head().header(fetch::kFetchHeader) && exchange.head().method == "GET") {
        const bool is_answered = co_await fetch_for(exchange, std::move(asked));
        if (is_answered)
            co_return;
    }
    ++not_held_;
    co_await refuse(exchange, 404, "peer.not-held",
                    "it is not held here; that says nothing about the archive");
}

// What is held, or else what apt has.
http::Async<bool> Peers::give_of_archive(http::Exchange& exchange, const AskedFile& asked,
                                         const archive::Archive& archive,
                                         const archive::Archive::Given& given)
{
    archive::Provenance provenance;
    provenance.modified = archive::modified_of(asked.digest);
    provenance.archive = archive.settings().id;
    provenance.path = given.path;
    provenance.generation_id = given.generation;
    if (services_.blobs.holds(asked.digest)) {
        const bool is_given =
            co_await archive::send_if_held(exchange, asked.digest, provenance, services_);
        if (is_given)
            co_return true;
    }
    auto want = archive.want_of_apt(asked.digest);
    if (!want || exchange.head().method != "GET")
        co_return false;
    const auto slot = fetching_slots_.take(exchange.principal().address);
    if (slot == nullptr) {
        co_await refuse(exchange, 429, "peer.busy",
                        "as many files as may be are read for this address already");
        co_return true;
    }
    co_return co_await archive::send_to_another(exchange, std::move(*want), provenance, services_);
}

// A near node counts on this one to fetch it, so that one does it for all of them. No further node
// is asked for it: none waits for another one that waits.
http::Async<bool> Peers::fetch_for(http::Exchange& exchange, AskedFile asked)
{
    const auto slot = fetching_slots_.take(exchange.principal().address);
    if (slot == nullptr) {
        co_await refuse(exchange, 429, "peer.busy",
                        "as many files as may be are fetched for this address already");
        co_return true;
    }
    auto work = co_await find_work(asked);
    if (!work)
        co_return false;
    const archive::Archive::Errand& errand = work->errand;
    archive::Provenance provenance;
    provenance.modified = archive::modified_of(asked.digest);
    provenance.archive = work->archive->settings().id;
    provenance.path = errand.what.path;
    provenance.generation_id = errand.what.generation;
    const bool is_given =
        co_await archive::send_to_another(exchange, errand.want, provenance, services_);
    if (is_given && exchange.has_answered()) {  // else nobody waited for it any more
        ++answers_;
        ++fetched_;
        bytes_ += exchange.sent_bytes();
    }
    co_return is_given;
}

// All who begin with a new release at once ask for its indexes at once: where this node's own look
// at the sources is not over yet, what they ask for may soon be known.
http::Async<std::optional<Peers::Work>> Peers::find_work(AskedFile asked)
{
    auto signal = co_await http::make_signal();
    const bool may_wait = asked.kind == AskedFile::Kind::index && expecting_.enter(signal);
    const SteadyTime deadline = steady_now() + kExpected;
    for (;;) {
        const auto routes = front_.routes();
        bool is_expecting = false;
        for (const auto& archive : routes->archives) {
            auto errand = asked.kind == AskedFile::Kind::index
                              ? archive->index_errand(asked.digest, asked.path)
                              : archive->pool_errand(asked.digest, asked.path);
            if (errand)
                co_return Work{archive, std::move(*errand)};
            is_expecting = is_expecting || archive->is_expecting();
        }
        if (!may_wait || !is_expecting || is_stopping_)
            co_return std::nullopt;
        const bool is_in_time = co_await signal->wait_until(deadline);
        if (!is_in_time)
            co_return std::nullopt;
    }
}

}  // namespace aptward::peer
