// SPDX-License-Identifier: GPL-3.0-or-later
// A machine without a node: what is different where a laptop serves itself and its neighbours.
// The reasons are in docs/light.md.
#include "archive/front.h"
#include "base/check.h"
#include "node/config_checks.h"

namespace aptward::node {
namespace {

archive::Network own_network(const char* text)
{
    auto network = archive::parse_network(text);
    CHECK(network, "it is one");
    return *network;
}

}  // namespace

void be_light(Config& config)
{
    config.state = "/var/lib/aptward-peer";
    config.admin = "unix:/run/aptward-peer/admin";
    config.listen = {"0.0.0.0:3142"};
    config.clients = {own_network("127.0.0.0/8"), own_network("::1")};
    config.peers.may_ask = peer::MayAsk::local;
    config.unknown_hosts = archive::UnknownHosts::pass;
    config.loops = 1;
    config.quota_bytes = 64'000'000;
    config.hot_for = std::chrono::seconds(0);
    config.scrub_every = std::chrono::seconds(0);
    config.deliveries_kept = std::chrono::seconds(0);
    config.stock.budget_bytes = 0;
    config.stock.reports = stock::Reports::operators;
    config.apt_archives = "/var/cache/apt/archives";
    config.apt_lists = "/var/lib/apt/lists";
}

}  // namespace aptward::node
