// SPDX-License-Identifier: GPL-3.0-or-later
// Peers that operators add to those of the configuration, and remove again.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "peer/peer.h"

namespace aptward::peer {

http::Task<std::string> Peers::add(std::string url, std::string identity, std::string who)
{
    CO_TRY(const PeerSettings peer, read_peer_(url, identity));
    const auto peers = peers_.load();
    const bool is_there = std::any_of(peers->begin(), peers->end(), [&](const PeerPtr& one) {
        return one->settings.url == peer.url && !is_stranger(one->origin);
    });
    const auto named = static_cast<std::size_t>(
        std::count_if(peers->begin(), peers->end(),
                      [](const PeerPtr& one) { return !is_stranger(one->origin); }));
    if (is_there)
        co_return fail(Errc::stale, peer.url + " is a peer already: aptward peer list shows it");
    if (named >= kMostPeers)
        co_return fail(
            Errc::stale,
            fmt::format("this node has {} peers, as many as it asks: remove one first", named));
    const catalog::PeerOrder order{std::move(identity), who};
    auto job = [&state = services_.state, address = peer.url, order] {
        return state.add_peer(address, order);
    };
    const auto added = co_await http::on_worker(services_.state_thread, std::move(job));
    if (!added)
        co_return tl::unexpected<Error>(added.error());
    {
        const std::lock_guard lock(composing_);
        std::erase_if(ordered_, [&](const PeerSettings& one) { return one.url == peer.url; });
        ordered_.push_back(peer);
        compose();
    }
    co_return fmt::format("{} is asked from now on; aptward peer ping tells whether it answers",
                          peer.url);
}

http::Task<std::string> Peers::remove(std::string url, std::string who)
{
    while (!url.empty() && url.back() == '/')
        url.pop_back();
    const auto peers = peers_.load();
    const auto found = std::find_if(peers->begin(), peers->end(),
                                    [&](const PeerPtr& one) { return one->settings.url == url; });
    if (found == peers->end())
        co_return fail(Errc::not_found, fmt::format("this node has no peer {}: aptward peer list "
                                                    "names those it has",
                                                    printable(url)));
    if ((*found)->origin == Origin::dht)
        co_return fail(Errc::stale,
                       fmt::format("{} is found in the DHT, and would be found again: take the "
                                   "[[swarm]] out of the configuration and have it read again",
                                   url));
    if ((*found)->origin == Origin::found)
        co_return fail(Errc::stale,
                       fmt::format("{} announces itself on the local network, and would be found "
                                   "again: stop it there, or write discovery = \"off\" into the "
                                   "configuration and have it read again",
                                   url));
    if ((*found)->origin != Origin::order)
        co_return fail(Errc::stale, fmt::format("the configuration names {}: take its [[peer]] out "
                                                "there, and have it read again",
                                                url));
    auto job = [&state = services_.state, url, who] { return state.remove_peer(url, who); };
    const auto removed = co_await http::on_worker(services_.state_thread, std::move(job));
    if (!removed)
        co_return tl::unexpected<Error>(removed.error());
    {
        const std::lock_guard lock(composing_);
        std::erase_if(ordered_, [&](const PeerSettings& one) { return one.url == url; });
        compose();
    }
    must_find_again_ = true;
    co_return fmt::format("{} is asked no more", url);
}

archive::Jobs::Kind Peers::make_publish_job(archive::FindArchive find_archive)
{
    auto kind =
        make_publish(services_, std::move(find_archive), torrents_, [this] { note_changed(); });
    // Else it would be published, and told and given to nobody.
    kind.read_options = [this, read = kind.read_options](std::string_view request) {
        return identity_
                   ? read(request)
                   : fail(Errc::malformed,
                          "this node has no key (state/identity), so other nodes are told and "
                          "given nothing");
    };
    return kind;
}

http::Task<std::string> Peers::stop_torrent(std::string magnet, std::string who)
{
    CO_TRY(const std::string hash, swarm::parse_magnet(magnet));
    auto job = [this, hash] { return torrents_.stop(hash); };
    const auto stopped = co_await http::on_worker(services_.workers, std::move(job));
    if (!stopped)
        co_return tl::unexpected<Error>(stopped.error());
    note_changed();
    catalog::Event event;
    event.code = "swarm.stopped";
    event.who = std::move(who);
    event.message = "the torrent " + hash + " is published no more";
    services_.events.add(std::move(event));
    co_return fmt::format("{} is published no more; what others have of it they keep", hash);
}

}  // namespace aptward::peer
