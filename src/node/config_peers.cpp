// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/config_peers.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "node/own_names.h"
#include "node/peer_names.h"

namespace aptward::node {
namespace {

peer::PeerSettings read_peer(Reader& reader, const Config& config)
{
    std::string url, identity, ca;
    reader.read("url", url);
    reader.read("identity", identity);
    reader.read("ca", ca);
    peer::PeerSettings peer;
    reader.read("distance", peer.distance,
                {{"measured", peer::Distance::measured},
                 {"near", peer::Distance::near},
                 {"far", peer::Distance::far}});
    const auto& known = config.peers.peers;
    const auto is_named = [&](const auto& is_it) {
        return std::any_of(known.begin(), known.end(), is_it);
    };
    auto key = read_peer_identity(identity);
    if (!key)
        reader.mistake("identity", key.error().message());
    else
        peer.identity = std::move(*key);
    auto place = read_peer_url(url, config.listen);
    if (url.empty() && peer.identity) {
        if (is_named([&](const auto& other) { return other.identity == peer.identity; }))
            reader.mistake("identity",
                           "\"" + identity + "\" is named twice: remove one of the two");
    } else if (!place) {
        reader.mistake("url", place.error().message());
    } else if (is_named([&](const auto& other) {
                   return !other.url.empty() && authority_of(other.url) == authority_of(*place);
               })) {
        reader.mistake("url", "\"" + url + "\" is named twice: remove one of the two");
    } else {
        peer.url = std::move(*place);
    }
    if (!ca.empty())
        if (const auto text = read_file(ca, std::uint64_t{16} << 20); !text)
            reader.mistake("ca", text.error().message());
    peer.ca = std::move(ca);
    return peer;
}

}  // namespace

void read_peers(Reader& outer, const toml::table& table, Config& config,
                std::vector<Mistake>& mistakes)
{
    outer.read("peers-may-ask", config.peers.may_ask,
               {{"clients", peer::MayAsk::clients},
                {"local", peer::MayAsk::local},
                {"nobody", peer::MayAsk::nobody}});
    outer.read("discovery", config.peers.discover,
               {{"local", peer::Discover::local}, {"off", peer::Discover::off}});
    outer.read_size("peer-rate", config.peers.rate_bytes_per_s);
    std::vector<std::string> quiet;
    outer.read("peer-quiet", quiet);
    for (const std::string& text : quiet) {
        const auto hours = peer::parse_quiet_hours(text);
        if (hours)
            config.peers.quiet.push_back(*hours);
        else
            outer.mistake("peer-quiet", hours.error().message());
    }
    const toml::node* peers = table.get("peer");
    if (peers == nullptr)
        return;
    if (!peers->is_array_of_tables())
        return outer.mistake("peer", "write [[peer]] with two brackets for each peer");
    for (const toml::node& node : *peers->as_array()) {
        Reader reader(*node.as_table(), "peer", config.origin, mistakes);
        config.peers.peers.push_back(read_peer(reader, config));
    }
    if (config.peers.peers.size() > peer::kMostPeers)
        outer.mistake("peer", fmt::format("{} peers are more than the {} that a node asks",
                                          config.peers.peers.size(), peer::kMostPeers));
}

}  // namespace aptward::node
