// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/config_peers.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "node/config_checks.h"
#include "node/own_names.h"

namespace aptward::node {
namespace {

void check_url(Reader& reader, const Config& config, const std::string& url)
{
    if (const auto checked = check_upstream(url); !checked)
        return reader.mistake("url", checked.error().message());
    const auto& known = config.peers.peers;
    // By another name it is found out when it answers. Peers mostly have our port.
    if (is_own_authority(authority_of(url), config.listen, Lookup::none))
        reader.mistake("url",
                       "\"" + url + "\" is this node itself: name another one, or remove it");
    else if (std::any_of(known.begin(), known.end(), [&](const peer::PeerSettings& peer) {
                 return authority_of(peer.url) == authority_of(url);
             }))
        reader.mistake("url", "\"" + url + "\" is named twice: remove one of the two");
}

peer::PeerSettings read_peer(Reader& reader, const Config& config)
{
    peer::PeerSettings peer;
    reader.read("url", peer.url);
    while (!peer.url.empty() && peer.url.back() == '/')
        peer.url.pop_back();
    if (peer.url.empty())
        reader.mistake("url",
                       "where the other node answers clients is missing, such as "
                       "\"http://b.example:3142\"");
    else
        check_url(reader, config, peer.url);
    std::string identity;
    reader.read("identity", identity);
    if (auto key = tlog::VerifierKey::parse(identity))
        peer.identity = std::move(*key);
    else if (!identity.empty())
        reader.mistake("identity",
                       "\"" + printable(identity) +
                           "\" is no identity: write what aptward peer list shows on the "
                           "other node, NAME+ID+KEY");
    reader.read("ca", peer.ca);
    if (!peer.ca.empty())
        if (const auto text = read_file(peer.ca, std::uint64_t{16} << 20); !text)
            reader.mistake("ca", text.error().message());
    return peer;
}

}  // namespace

void read_peers(Reader& outer, const toml::table& table, Config& config,
                std::vector<Mistake>& mistakes)
{
    outer.read("peers-may-ask", config.peers.may_ask,
               {{"clients", peer::MayAsk::clients}, {"nobody", peer::MayAsk::nobody}});
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
