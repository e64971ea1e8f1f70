// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// libtorrent's session, as the node orders it about. This module alone knows libtorrent and Boost.

#include <libtorrent/session.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "swarm/messages.h"

namespace aptward::torrent {

/// One thread; libtorrent has its own, which only wake it.
class Session {
public:
    using Say = std::function<void(const swarm::Word&)>;

    /// `say` gets what the node is to hear.
    Session(const swarm::Start& start, Say say);

    /// Readable when there is something to look at.
    int fd() const { return waking_->get(); }
    /// Passes on what has happened.
    void look();
    /// Says that it lives, and asks libtorrent for what it says then the next time.
    void look_around();

    void take(const swarm::Announce& announce);
    void take(const swarm::Lookup& lookup);
    void take(const swarm::Put& put);
    void take(const swarm::Get& get);

private:
    void on(const lt::dht_get_peers_reply_alert& reply);
    void on(const lt::dht_mutable_item_alert& reply);
    void on(const lt::dht_put_alert& done);
    void on(const lt::dht_stats_alert& stats);
    void on(const lt::listen_failed_alert& failed);

    const Say say_;
    const std::shared_ptr<const Fd> waking_;      // libtorrent's threads hold it too
    std::string address_;                         // ours, as others see it
    std::map<std::string, std::uint32_t> nodes_;  // that each of our sockets knows
    std::string told_trouble_;
    lt::session session_;
};

}  // namespace aptward::torrent
