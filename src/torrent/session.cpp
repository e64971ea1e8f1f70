// SPDX-License-Identifier: GPL-3.0-or-later
#include "torrent/session.h"

#include <fmt/format.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/kademlia/announce_flags.hpp>

#include "swarm/item.h"
#include "torrent/settings.h"

namespace aptward::torrent {
namespace {

lt::sha1_hash hash_of(const swarm::Key& key)
{
    lt::sha1_hash hash;
    std::copy(key.begin(), key.end(), hash.begin());
    return hash;
}

template <std::size_t count>
std::array<char, count> chars_of(const std::array<std::uint8_t, count>& bytes)
{
    std::array<char, count> chars{};
    std::copy(bytes.begin(), bytes.end(), chars.begin());
    return chars;
}

template <std::size_t count>
std::array<std::uint8_t, count> bytes_of(const std::array<char, count>& chars)
{
    std::array<std::uint8_t, count> bytes{};
    std::copy(chars.begin(), chars.end(), bytes.begin());
    return bytes;
}

bool is_nowhere(const swarm::PublicKey& owner)
{
    return std::all_of(owner.begin(), owner.end(), [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

Session::Session(const swarm::Start& start, Say say)
    : say_(std::move(say)),
      waking_(std::make_shared<const Fd>(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))),
      session_(settings_of(start))
{
    session_.set_alert_notify([waking = waking_] { ::eventfd_write(waking->get(), 1); });
}

void Session::look()
{
    ::eventfd_t count = 0;
    ::eventfd_read(waking_->get(), &count);
    std::vector<lt::alert*> alerts;
    session_.pop_alerts(&alerts);
    for (const lt::alert* alert : alerts) {
        if (const auto* peers = lt::alert_cast<lt::dht_get_peers_reply_alert>(alert))
            on(*peers);
        else if (const auto* item = lt::alert_cast<lt::dht_mutable_item_alert>(alert))
            on(*item);
        else if (const auto* done = lt::alert_cast<lt::dht_put_alert>(alert))
            on(*done);
        else if (const auto* stats = lt::alert_cast<lt::dht_stats_alert>(alert))
            on(*stats);
        else if (const auto* failed = lt::alert_cast<lt::listen_failed_alert>(alert))
            on(*failed);
        else if (const auto* outside = lt::alert_cast<lt::external_ip_alert>(alert))
            address_ = lt::address(outside->external_address).to_string();
    }
}

void Session::look_around()
{
    std::uint32_t all = 0;
    for (const auto& [address, known] : nodes_)
        all += known;
    say_(swarm::Alive{all, address_});
    nodes_.clear();  // a socket may be gone with its address
    session_.post_dht_stats();
}

void Session::take(const swarm::Announce& announce)
{
    session_.dht_announce(hash_of(announce.key), announce.port);
}

void Session::take(const swarm::Lookup& lookup)
{
    session_.dht_get_peers(hash_of(lookup.key));
}

// Runs on libtorrent's thread when the places are found, and only copies: the node has signed.
void Session::take(const swarm::Put& put)
{
    session_.dht_put_item(
        chars_of(put.owner),
        [value = put.value, signature = chars_of(put.signature), number = put.number](
            lt::entry& entry, std::array<char, 64>& signed_by, std::int64_t& seq,
            const std::string&) {
            entry = value;
            signed_by = signature;
            seq = static_cast<std::int64_t>(number);
        },
        put.salt);
}

void Session::take(const swarm::Get& get)
{
    session_.dht_get_item(chars_of(get.owner), get.salt);
}

void Session::on(const lt::dht_get_peers_reply_alert& reply)
{
    swarm::Peers peers;
    std::copy(reply.info_hash.begin(), reply.info_hash.end(), peers.key.begin());
    for (const auto& peer : reply.peers())
        if (peer.port() != 0 && peers.places.size() < swarm::kMostPeersTold)
            peers.places.push_back({peer.address().to_string(), peer.port()});
    say_(peers);
}

// libtorrent says an item without an owner where it found none, and has looked at the signature of
// others; the node looks again.
void Session::on(const lt::dht_mutable_item_alert& reply)
{
    const swarm::PublicKey owner = bytes_of(reply.key);
    const bool is_string = reply.item.type() == lt::entry::string_t;
    const bool is_item = is_string && reply.seq >= 0 &&
                         reply.item.string().size() <= swarm::kMostItemBytes && !is_nowhere(owner);
    if (is_item)
        say_(swarm::Item{owner, reply.salt, static_cast<std::uint64_t>(reply.seq),
                         bytes_of(reply.signature), reply.item.string()});
    else if (reply.authoritative)
        say_(swarm::NoItem{owner, reply.salt});
}

void Session::on(const lt::dht_put_alert& done)
{
    const swarm::PublicKey owner = bytes_of(done.public_key);
    if (done.seq >= 0 && !is_nowhere(owner))
        say_(swarm::Stored{owner, done.salt, static_cast<std::uint64_t>(done.seq),
                           static_cast<std::uint32_t>(std::max(done.num_success, 0))});
}

// One for each of our sockets.
void Session::on(const lt::dht_stats_alert& stats)
{
    std::uint32_t nodes = 0;
    for (const auto& bucket : stats.routing_table)
        nodes += static_cast<std::uint32_t>(std::max(bucket.num_nodes, 0));
    const lt::udp::endpoint socket = stats.local_endpoint;
    nodes_[socket.address().to_string()] = nodes;
}

void Session::on(const lt::listen_failed_alert& failed)
{
    const std::string sentence =
        fmt::format("listening on {} port {}: {}", lt::address(failed.address).to_string(),
                    failed.port, failed.error.message());
    if (std::exchange(told_trouble_, sentence) != sentence)
        say_(swarm::Trouble{sentence.substr(0, swarm::kMostSentence)});
}

}  // namespace aptward::torrent
