// SPDX-License-Identifier: GPL-3.0-or-later
#include "console/peers.h"

namespace aptward::console {
namespace {

using Json = nlohmann::json;

Json to_json(const peer::PeerReport& report)
{
    const peer::Link& link = report.link;
    return {{"url", report.url},
            {"state", to_string(link.state)},
            {"why", link.why},
            {"identity", link.key ? link.key->to_string() : ""},
            {"program", link.program},
            {"releases", report.releases},
            {"near", report.is_near},
            {"from", to_string(report.origin)},
            {"added_by_order", report.origin == peer::Origin::order},
            {"found_as", report.found.name},
            {"found_on", report.found.interface},
            {"round_trip_ms", link.round_trip.count()},
            {"clock_ahead_ms", link.clock_ahead.count()},
            {"since", to_unix(link.since)},
            {"ignored_until", to_unix(report.ignored_until)},
            {"source", console::to_json(report.source)}};
}

Json to_json(const peer::Discovery::Report& discovery)
{
    return {{"state", to_string(discovery.state)},
            {"why", discovery.why},
            {"announced_as", discovery.announced_as}};
}

Json to_json(const swarm::Process::Report& swarm)
{
    return {{"state", to_string(swarm.state)}, {"why", swarm.why},
            {"program", swarm.program},        {"pid", swarm.pid},
            {"restarts", swarm.restarts},      {"dht_nodes", swarm.nodes},
            {"address", swarm.address},        {"since", to_unix(swarm.since)}};
}

Json to_json(const peer::DhtReport& dht)
{
    Json followed = Json::array();
    for (const peer::Dht::Followed& one : dht.followed) {
        Json places = Json::array(), heads = Json::array();
        for (const swarm::Place& place : one.pointer.places)
            places.push_back(to_string(place));
        for (const peer::Head& head : one.pointer.heads)
            heads.push_back({{"id", head.id}, {"suite", head.suite}, {"date", to_unix(head.date)}});
        followed.push_back({{"identity", one.key.to_string()},
                            {"number", one.number},
                            {"addresses", places},
                            {"heads", heads},
                            {"seen", to_unix(one.seen)},
                            {"why", one.why}});
    }
    return {{"on", dht.is_on},
            {"alone", dht.is_alone},
            {"keys", dht.keys},
            {"addresses_heard", dht.addresses},
            {"pointer_kept_by", dht.pointer_kept_by},
            {"followed", followed}};
}

}  // namespace

Json to_json(const fetch::SourceReport& source)
{
    Json faults = Json::object();
    for (std::size_t i = 0; i < source.faults.size(); ++i)
        if (source.faults[i] > 0)
            faults[std::string(to_string(static_cast<fetch::Fault>(i)))] = source.faults[i];
    return {{"url", source.url},
            {"health", source.is_open                                          ? "down"
                       : source.failures_in_a_row > 0                          ? "shaky"
                       : source.last_good_time.time_since_epoch().count() == 0 ? "untried"
                                                                               : "good"},
            {"latency_ms", source.latency_ms},
            {"rate_bytes_per_s", source.rate_bytes_per_s},
            {"bytes", source.bytes},
            {"failures_in_a_row", source.failures_in_a_row},
            {"faults", faults},
            {"asked_last_until", to_unix(source.avoided_until)},
            {"last_fault", source.last_fault},
            {"last_fault_at", to_unix(source.last_fault_time)},
            {"last_good_at", to_unix(source.last_good_time)}};
}

http::Async<Json> describe(peer::Peers& peers)
{
    const auto reports = co_await peers.report();
    const peer::Given given = peers.given();
    Json list = Json::array();
    for (const peer::PeerReport& report : reports)
        list.push_back(to_json(report));
    co_return Json{{"identity", peers.identity()},
                   {"peers", list},
                   {"discovery", to_json(peers.discovery())},
                   {"swarm", to_json(peers.swarm())},
                   {"dht", to_json(*peers.dht())},
                   {"given",
                    {{"answers", given.answers},
                     {"bytes", given.bytes},
                     {"not_held", given.not_held},
                     {"fetched", given.fetched}}}};
}

}  // namespace aptward::console
