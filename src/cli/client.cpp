// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward client setup | undo | status`: the machine that runs apt.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/client_parts.h"
#include "cli/client_setup.h"
#include "cli/commands.h"
#include "cli/run_program.h"

namespace aptward::cli {
namespace {

void add_root(CLI::App& command, std::filesystem::path& root)
{
    command.add_option("--root", root,
                       "Work on the machine below this folder, such as a mounted image");
}

std::string what_is(const NodeReport& report, const OwnPeer& own)
{
    return report.url == own.url ? " (the small peer of this machine)" : "";
}

// Schema: docs/client.md.
void print_json(const std::vector<NodeReport>& reports, const ProxyConflicts& conflicts,
                const std::string& answer, bool is_used)
{
    using Json = nlohmann::json;
    Json nodes = Json::array();
    for (const NodeReport& report : reports) {
        Json node = {{"url", report.url}, {"alive", report.is_alive}};
        if (report.is_alive)
            node["milliseconds"] = report.milliseconds;
        else
            node["why_not"] = report.why_not;
        nodes.push_back(std::move(node));
    }
    const Json document = {
        {"nodes", nodes}, {"chosen", answer}, {"used", is_used}, {"stronger", conflicts.stronger}};
    fmt::print("{}\n", document.dump(1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

int client_status(const std::filesystem::path& root, bool is_json)
{
    const auto manifest = node::read_client_manifest(root);
    if (!manifest) {
        const bool is_absent = manifest.error().code() == Errc::not_found;
        std::fprintf(stderr, "aptward: %s\n",
                     is_absent ? "this machine is not set up: aptward client setup --node URL"
                               : manifest.error().message().c_str());
        return is_absent ? kNo : kUnknown;
    }
    const OwnPeer own = own_peer(*manifest);
    const auto reports = ask_nodes(manifest->nodes, own);
    // What apt would get, from the very program that apt asks, memory of dead nodes included.
    const auto chosen = run_program(
        {"/bin/sh", node::below(root, kDetectFile).string(),
         fmt::format("http://{}/", own.hosts.empty() ? "archive.example" : own.hosts.front())});
    if (!reports || !chosen) {
        const Error& error = reports ? chosen.error() : reports.error();
        std::fprintf(stderr, "aptward: %s\n", error.message().c_str());
        return kUnknown;
    }
    const ProxyConflicts conflicts = find_conflicts(root);
    const std::string answer = chosen->output.substr(0, chosen->output.find('\n'));
    const bool has_node = answer.rfind("http://", 0) == 0;
    const bool is_used = has_node && conflicts.stronger.empty();
    if (is_json) {
        print_json(*reports, conflicts, answer, is_used);
        return is_used ? kOk : kNo;
    }
    for (const NodeReport& report : *reports) {
        if (report.is_alive)
            fmt::print("ok  {}{} answers, in {} ms.\n", report.url, what_is(report, own),
                       report.milliseconds);
        else
            fmt::print("!!  {}{} cannot be used: {}.\n", report.url, what_is(report, own),
                       report.why_not);
    }
    for (const std::string& sentence : conflicts.stronger)
        fmt::print("!!  {}.\n", sentence);
    if (!conflicts.stronger.empty())
        fmt::print("!!  apt does not ask the nodes now.\n");
    else if (has_node)
        fmt::print("ok  apt uses {} now.\n", answer);
    else if (answer == "DIRECT")
        fmt::print("!!  apt goes past the nodes now (DIRECT); it asks them again within 30 s.\n");
    else
        fmt::print("!!  {} does not run: aptward client setup writes it again.\n", kDetectFile);
    return is_used ? kOk : kNo;
}

void add_client(CLI::App& app, Action& action)
{
    CLI::App* client =
        app.add_subcommand("client", "Make apt on this machine use nodes, or take that back");
    client->require_subcommand(1);
    auto options = std::make_shared<SetupOptions>();
    CLI::App* setup = client->add_subcommand("setup", "Let apt ask the nodes; DIRECT without one");
    setup->add_option("--node", options->nodes,
                      "A node, such as http://node.example:3142; the preferred one first");
    setup->add_flag("--dry-run", options->is_dry, "Show what would change, and change nothing");
    setup->add_flag("--rewrite-https", options->rewrites_https,
                    "Write https and mirror+file sources as http where a node serves them");
    setup->add_flag("--tunnel-https", options->tunnels_https,
                    "Let https sources tunnel through a node that answers, where there is no "
                    "other way out");
    setup->add_flag("--peer", options->is_peer,
                    "Make this machine a small peer as well: what its apt has, other machines of "
                    "its local networks get, and it gets theirs");
    add_root(*setup, options->root);
    setup->callback([&action, options] { action = [options] { return client_setup(*options); }; });
    add_client_report(*client, action);
    CLI::App* undo = client->add_subcommand("undo", "Take back everything that setup changed");
    add_root(*undo, options->root);
    undo->callback(
        [&action, options] { action = [options] { return client_undo(options->root); }; });
    CLI::App* status =
        client->add_subcommand("status", "Say which nodes answer, and what apt uses");
    add_root(*status, options->root);
    auto is_json = std::make_shared<bool>(false);
    status->add_flag("--json", *is_json, "Print the facts as JSON");
    status->callback([&action, options, is_json] {
        action = [options, is_json] { return client_status(options->root, *is_json); };
    });
}

}  // namespace aptward::cli
