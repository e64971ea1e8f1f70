// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward peer`: the other nodes that this one asks, and whether they answer.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/commands.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

struct Options {
    Reach reach;
    bool is_json = false;
    std::string url, identity;
};

void print_clock(const Json& peer)
{
    constexpr std::int64_t kWorthSaying = 10'000;
    const auto ahead = peer.value("clock_ahead_ms", std::int64_t{0});
    if (std::abs(ahead) > kWorthSaying)
        fmt::print("    its clock is {} {} of this node's: one of the two is wrong\n",
                   human_seconds(std::abs(ahead) / 1000), ahead > 0 ? "ahead" : "behind");
}

bool is_found(const Json& peer)
{
    const std::string from = peer.value("from", "");
    return from == "found" || from == "dht";
}

std::string whence(const Json& peer)
{
    const std::string from = peer.value("from", "");
    if (from == "found")
        return fmt::format("found on {}: \"{}\"", peer.value("found_on", ""),
                           peer.value("found_as", ""));
    if (from == "dht")
        return "found in the DHT";
    if (!peer.value("found_on", "").empty())
        return "named by its identity in the configuration, and found in the DHT";
    return from == "order" ? "added by an order" : "named in the configuration";
}

// Of a node that was found it is no fault that it went away again.
bool is_as_it_should_be(const Json& peer)
{
    const std::string state = peer.value("state", "");
    return state == "linked" || (is_found(peer) && state != "cloned" && state != "incompatible");
}

void print(const Json& peer)
{
    const std::string state = peer.value("state", ""), why = peer.value("why", "");
    const Json source = peer.value("source", Json::object());
    const auto bytes = source.value("bytes", std::uint64_t{0});
    std::string line = fmt::format("{}  {}", peer.value("url", ""), state);
    if (state == "linked")
        line += fmt::format(
            ", {} ms away{}, tells of {} releases", peer.value("round_trip_ms", std::int64_t{0}),
            peer.value("near", false) ? " (near)" : "", peer.value("releases", std::uint64_t{0}));
    if (bytes > 0)
        line += fmt::format(", has given {}", human_size(bytes));
    fmt::print("{}; {}\n", line, whence(peer));
    if (!peer.value("identity", "").empty())
        fmt::print("    {}\n", peer.value("identity", ""));
    if (!why.empty())
        fmt::print("    {}\n", why);
    const std::int64_t now = to_unix(system_now());
    if (const auto left = source.value("asked_last_until", now) - now; left > 0)
        fmt::print("    is asked last for another {}: {}\n", human_seconds(left),
                   printable(source.value("last_fault", "")));
    if (const auto left = peer.value("ignored_until", now) - now; left > 0)
        fmt::print("    the releases that it tells of are not looked at for another {}\n",
                   human_seconds(left));
    print_clock(peer);
}

void print_discovery(const Json& discovery)
{
    const std::string as = discovery.value("announced_as", "");
    const std::string trouble = trouble_of_discovery(discovery);
    if (!trouble.empty())
        return fmt::print("{}\n", trouble);
    if (discovery.value("state", "") == "off")
        return fmt::print("the local network is not searched for nodes (discovery = \"off\")\n");
    fmt::print("the local network is searched for nodes{}\n",
               as.empty() ? "; this one is not announced there: no listener that other machines "
                            "reach answers everybody over plain HTTP"
                          : ", and told of this one as \"" + as + "\"");
}

void print_swarm(const Json& swarm, const Json& dht)
{
    const std::string trouble = trouble_of_swarm(swarm, dht);
    if (!trouble.empty())
        return fmt::print("{}\n", trouble);
    if (!dht.value("on", false))
        return fmt::print("no nodes are looked for beyond it (without a [[swarm]])\n");
    if (swarm.value("state", "") == "starting")
        return fmt::print("aptward-swarm, which finds nodes beyond it, is being started\n");
    fmt::print(
        "nodes beyond it are found in the DHT, of which {} nodes are known: {} releases have a key "
        "there, {} addresses were heard, {} nodes keep this one's pointer\n",
        swarm.value("dht_nodes", 0U), dht.value("keys", 0U), dht.value("addresses_heard", 0U),
        dht.value("pointer_kept_by", 0U));
}

// Nodes that are named by their identity alone.
void print_followed(const Json& followed)
{
    const std::int64_t now = to_unix(system_now());
    for (const Json& one : followed) {
        const std::int64_t seen = one.value("seen", std::int64_t{0});
        std::string line = "nothing is known of it yet";
        if (one.value("number", std::uint64_t{0}) != 0)
            line = fmt::format(
                "its pointer names {} releases and {} addresses{}",
                one.value("heads", Json::array()).size(),
                one.value("addresses", Json::array()).size(),
                seen == 0 ? "; it was not seen in the DHT since the start"
                          : "; seen in the DHT " +
                                human_seconds(std::max(now - seen, std::int64_t{0})) + " ago");
        if (!one.value("why", "").empty())
            line = printable(one.value("why", ""));
        fmt::print("follows {}: {}\n", one.value("identity", ""), line);
    }
}

// 0 when all that were asked about are linked, but for those that were found and went away.
int show(const Options& options, Json document)
{
    if (!options.url.empty()) {
        Json chosen = Json::array();
        for (const Json& peer : document.value("peers", Json::array()))
            if (peer.value("url", "") == options.url)
                chosen.push_back(peer);
        if (chosen.empty())
            return failed(
                fmt::format("this node has no peer {}: aptward peer list names those it has",
                            printable(options.url)),
                kUsage);
        document["peers"] = chosen;
    }
    const Json peers = document.value("peers", Json::array());
    bool are_linked = true;
    for (const Json& peer : peers)
        are_linked = are_linked && is_as_it_should_be(peer);
    if (options.is_json) {
        fmt::print("{}\n", document.dump(1));
        return are_linked ? kOk : kNo;
    }
    fmt::print("this node: {}\n", document.value("identity", ""));
    for (const Json& peer : peers)
        print(peer);
    if (peers.empty())
        fmt::print(
            "it has no peers: aptward peer add URL, or a [[peer]] in its configuration, names "
            "one\n");
    const Json dht = document.value("dht", Json::object());
    print_followed(dht.value("followed", Json::array()));
    print_discovery(document.value("discovery", Json::object()));
    print_swarm(document.value("swarm", Json::object()), dht);
    return are_linked ? kOk : kNo;
}

int ask(const Options& options, const char* method, const char* path)
{
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const auto answer = ask_admin(config->admin, method, path);
    if (!answer)
        return failed(answer.error().message(), kUnknown);
    if (answer->status != 200)
        return failed(answer->sentence(), kUnknown);
    Json document = Json::parse(answer->body, nullptr, false);
    if (!document.is_object())
        return failed("the node's answer is no JSON", kUnknown);
    return show(options, std::move(document));
}

}  // namespace

std::string trouble_of_discovery(const Json& discovery)
{
    const std::string state = discovery.value("state", ""), why = discovery.value("why", "");
    if (state == "not-built")
        return "nodes on the local network are not found: this program was built without Avahi";
    if (state == "absent")
        return fmt::format(
            "nodes on the local network are not found: the machine's avahi-daemon does not answer "
            "({}). It is asked again by itself; install avahi-daemon, or write discovery = "
            "\"off\" into aptward.toml",
            why);
    if (state == "working" && !why.empty())
        return fmt::format("this node is not announced on the local network: {}", why);
    return "";
}

std::string trouble_of_swarm(const Json& swarm, const Json& dht)
{
    const std::string state = swarm.value("state", ""), why = swarm.value("why", "");
    if (state == "absent")
        return "nodes are not found in the DHT: the program aptward-swarm is not installed; "
               "install "
               "the package of that name, or take the [[swarm]] out of aptward.toml";
    if (state == "starting" && !why.empty())
        return fmt::format(
            "nodes are not found in the DHT: aptward-swarm ended, and is started again by itself "
            "({})",
            printable(why));
    if (dht.value("alone", false))
        return "no node of the DHT answers, so that no others are found there: look whether UDP "
               "leaves this network, and whether a node of bootstrap runs";
    return "";
}

void add_peer(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* peer = app.add_subcommand("peer", "Show the other nodes that this one asks");
    peer->require_subcommand(1);
    CLI::App* list = peer->add_subcommand(
        "list", "This node's identity and its peers, as they were when they were looked at last");
    add_reach_options(*list, options->reach);
    list->add_flag("--json", options->is_json, "Print the facts as JSON");
    list->callback([&action, options] {
        action = [options] { return ask(*options, "GET", "/api/v1/peers"); };
    });
    CLI::App* ping = peer->add_subcommand(
        "ping", "Look at the peers now; 0 when all that were named are linked");
    add_reach_options(*ping, options->reach);
    CLI::App* adding = peer->add_subcommand("add", "Ask another node from now on, over restarts");
    add_reach_options(*adding, options->reach);
    adding->add_option("URL", options->url, "Where it answers clients: http://b.example:3142")
        ->required();
    adding->add_option("--identity", options->identity,
                       "The only key that it may have, NAME+ID+KEY; none: whoever answers");
    adding->callback([&action, options] {
        action = [options] {
            return send_order(options->reach, "/api/v1/peers",
                              {{"url", options->url}, {"identity", options->identity}});
        };
    });
    CLI::App* removing =
        peer->add_subcommand("remove",
                             "Ask no more a node that was added so; another one stands "
                             "in the configuration");
    add_reach_options(*removing, options->reach);
    removing->add_option("URL", options->url, "As aptward peer list shows it")->required();
    removing->callback([&action, options] {
        action = [options] {
            return send_order(options->reach, "/api/v1/peers/remove", {{"url", options->url}});
        };
    });
    ping->add_option("URL", options->url, "Only this one");
    ping->add_flag("--json", options->is_json, "Print the facts as JSON");
    ping->callback([&action, options] {
        action = [options] { return ask(*options, "POST", "/api/v1/peers/ping"); };
    });
}

}  // namespace aptward::cli
