// SPDX-License-Identifier: GPL-3.0-or-later
#include "console/torrents.h"

namespace aptward::console {
namespace {

using Json = nlohmann::json;

Json to_json(const std::string& info_hash, const peer::Torrent& torrent)
{
    return {{"info_hash", info_hash},
            {"magnet", swarm::magnet_of(info_hash)},
            {"archive", torrent.archive},
            {"what", torrent.what},
            {"files", torrent.metainfo.files.size()},
            {"bytes", torrent.metainfo.total_bytes()},
            {"published", to_unix(torrent.published)}};
}

}  // namespace

http::Async<Json> describe_torrents(peer::Peers& peers)
{
    const auto reports = co_await peers.report();
    const auto torrents = peers.torrents();
    Json own = Json::array(), others = Json::array();
    for (const auto& [hash, torrent] : *torrents)
        own.push_back(to_json(hash, *torrent));
    for (const peer::PeerReport& report : reports)
        for (const std::string& hash : report.torrents)
            others.push_back({{"info_hash", hash}, {"url", report.url}});
    co_return Json{{"published", own}, {"by_peers", others}};
}

}  // namespace aptward::console
