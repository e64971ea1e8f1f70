// SPDX-License-Identifier: GPL-3.0-or-later
#include "torrent/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <libtorrent/alert.hpp>
#include <libtorrent/disk_interface.hpp>
#include <libtorrent/posix_disk_io.hpp>
#include <libtorrent/settings_pack.hpp>

namespace aptward::torrent {
namespace {

using Pack = lt::settings_pack;

// Nothing of what a node is sent there stays long or grows without limit; guesses.
void set_limits(Pack& pack)
{
    pack.set_int(Pack::dht_upload_rate_limit, 32'000);  // bytes each second
    pack.set_int(Pack::dht_max_dht_items, 700);
    pack.set_int(Pack::dht_max_torrents, 2000);
    pack.set_int(Pack::dht_max_peers, 200);
    pack.set_int(Pack::connections_limit, 200);
    pack.set_int(Pack::alert_queue_size, 5000);
}

// In a net of private addresses none of them is more worth than another: many nodes share one, or a
// network that the internet's rules take for one of a liar.
void allow_private_addresses(Pack& pack)
{
    pack.set_bool(Pack::dht_restrict_routing_ips, false);
    pack.set_bool(Pack::dht_restrict_search_ips, false);
    pack.set_bool(Pack::dht_enforce_node_id, false);
    pack.set_bool(Pack::dht_prefer_verified_node_ids, false);
    pack.set_bool(Pack::dht_ignore_dark_internet, false);
}

}  // namespace

lt::session_params settings_of(const swarm::Start& start)
{
    Pack pack;
    set_limits(pack);
    if (start.net == swarm::Net::closed)
        allow_private_addresses(pack);
    pack.set_str(Pack::listen_interfaces, fmt::format("0.0.0.0:{0},[::]:{0}", start.port));
    pack.set_int(Pack::max_retry_port_bind, 0);  // who configured a port opened it elsewhere too
    pack.set_str(Pack::dht_bootstrap_nodes, fmt::format("{}", fmt::join(start.bootstrap, ",")));
    pack.set_bool(Pack::enable_dht, true);
    pack.set_bool(Pack::enable_lsd, false);
    pack.set_bool(Pack::enable_upnp, false);
    pack.set_bool(Pack::enable_natpmp, false);
    // uTP made 10 MB/s where TCP made 190.
    pack.set_bool(Pack::enable_incoming_utp, false);
    pack.set_bool(Pack::enable_outgoing_utp, false);
    pack.set_bool(Pack::anonymous_mode, false);
    pack.set_str(Pack::user_agent, "");
    pack.set_int(Pack::alert_mask, lt::alert_category::status | lt::alert_category::dht |
                                       lt::alert_category::dht_operation |
                                       lt::alert_category::error);
    lt::session_params params(pack);
    // Mapped files are contested upstream, and crash a process whose disk fails.
    params.disk_io_constructor = lt::posix_disk_io_constructor;
    return params;
}

}  // namespace aptward::torrent
