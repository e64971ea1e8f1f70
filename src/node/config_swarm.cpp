// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/config_swarm.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace aptward::node {
namespace {

constexpr unsigned kStandardPort = 6881;

// Nodes that are run for everybody, by which one finds the others.
const std::vector<std::string>& nodes_of_the_internet()
{
    static const std::vector<std::string> kNodes = {"dht.libtorrent.org:25401",
                                                    "router.bittorrent.com:6881"};
    return kNodes;
}

SwarmSettings read_settings(Reader& reader, peer::DhtSettings& dht)
{
    SwarmSettings swarm;
    unsigned port = kStandardPort;
    std::string program;
    std::vector<std::string> addresses;
    reader.read("net", swarm.start.net,
                {{"internet", swarm::Net::internet}, {"closed", swarm::Net::closed}});
    reader.read("port", port, 1, 65'535);
    reader.read("bootstrap", swarm.start.bootstrap);
    reader.read("addresses", addresses);
    reader.read("program", program);
    swarm.start.port = static_cast<std::uint16_t>(port);
    swarm.program = program;
    if (!reader.has("bootstrap") && swarm.start.net == swarm::Net::internet)
        swarm.start.bootstrap = nodes_of_the_internet();
    for (const std::string& text : addresses) {
        const auto place = swarm::parse_place(text);
        if (place)
            dht.places.push_back(*place);
        else
            reader.mistake("addresses", "\"" + printable(text) +
                                            "\" is none: write a numeric address and a port, "
                                            "such as \"203.0.113.7:3142\"");
    }
    if (addresses.size() > peer::kMostPlaces)
        reader.mistake("addresses", fmt::format("{} are more than the {} that others are told",
                                                addresses.size(), peer::kMostPlaces));
    if (!swarm::parse_order(to_string(swarm::Order(swarm.start))))
        reader.mistake("bootstrap", fmt::format("write at most {} nodes, each as \"HOST:PORT\"",
                                                swarm::kMostBootstrap));
    dht.net = swarm.start.net;
    dht.has_bootstrap = !swarm.start.bootstrap.empty();
    return swarm;
}

}  // namespace

void read_swarm(Reader& outer, const toml::table& table, Config& config,
                std::vector<Mistake>& mistakes)
{
    const toml::node* swarms = table.get("swarm");
    const auto& peers = config.peers.peers;
    const bool is_needed = std::any_of(peers.begin(), peers.end(), [](const auto& one) {
        return one.url.empty() && one.identity;
    });
    if (swarms == nullptr && is_needed)
        outer.mistake("peer",
                      "one without a url is found in the DHT: write a [[swarm]], or its url");
    if (swarms == nullptr)
        return;
    if (!swarms->is_array_of_tables())
        return outer.mistake("swarm", "write [[swarm]] with two brackets");
    if (swarms->as_array()->size() > 1)
        return outer.mistake("swarm", "a node is in one net: remove the others");
    Reader reader(*swarms->as_array()->front().as_table(), "swarm", config.origin, mistakes);
    config.swarm = read_settings(reader, config.peers.dht);
}

std::optional<swarm::Process::Settings> swarm_process_of(const Config& config)
{
    if (!config.swarm)
        return std::nullopt;
    return swarm::Process::Settings{config.swarm->program, config.state / "swarm",
                                    config.swarm->start};
}

}  // namespace aptward::node
