// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward swarm`: what this node publishes as torrents.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/job_follow.h"
#include "peer/publish.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

struct Options {
    Reach reach;
    bool is_json = false;
    std::string archive, path, suite, magnet;
};

int publish(const Options& options)
{
    if (options.path.empty() == options.suite.empty())
        return failed("name one file (PATH, as an index lists it), or --suite", kUsage);
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const RanJob ran = run_job(
        config->admin, to_json(peer::PublishRequest{options.archive, options.path, options.suite}),
        options.is_json);
    if (ran.status != kOk)
        return ran.status;
    if (ran.end.state != "done")
        return failed(ran.end.message, ran.end.state == "failed" ? kNo : kUnknown);
    fmt::print("{}\n", options.is_json ? ran.end.result : ran.end.message);
    return kOk;
}

void print(const Json& torrents)
{
    const Json own = torrents.value("published", Json::array());
    for (const Json& one : own)
        fmt::print("{}\n    {} of {}: {} files, {}, published {} ago\n", one.value("magnet", ""),
                   one.value("what", ""), one.value("archive", ""),
                   one.value("files", std::uint64_t{0}),
                   human_size(one.value("bytes", std::uint64_t{0})),
                   human_seconds(to_unix(system_now()) - one.value("published", std::int64_t{0})));
    if (own.empty())
        fmt::print("this node publishes no torrent: aptward swarm publish ARCHIVE PATH does\n");
    for (const Json& one : torrents.value("by_peers", Json::array()))
        fmt::print("{} is published by {}\n", one.value("info_hash", ""), one.value("url", ""));
}

int list(const Options& options)
{
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const auto answer = ask_admin(config->admin, "GET", "/api/v1/torrents");
    if (!answer)
        return failed(answer.error().message(), kUnknown);
    if (answer->status != 200)
        return failed(answer->sentence(), kUnknown);
    const Json document = Json::parse(answer->body, nullptr, false);
    if (!document.is_object())
        return failed("the node's answer is no JSON", kUnknown);
    if (options.is_json)
        fmt::print("{}\n", document.dump(1));
    else
        print(document);
    return kOk;
}

}  // namespace

void add_swarm(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* swarm = app.add_subcommand("swarm", "Publish what many want at once as torrents");
    swarm->require_subcommand(1);
    CLI::App* publishing = swarm->add_subcommand(
        "publish", "Publish a file, or what is held of a suite, as a torrent");
    add_reach_options(*publishing, options->reach);
    publishing->add_option("ARCHIVE", options->archive, "Its id in the configuration")->required();
    publishing->add_option("PATH", options->path,
                           "A file as an index lists it: pool/main/f/foo/foo_1.0_amd64.deb");
    publishing->add_option("--suite", options->suite,
                           "Instead of a file: all that is held of its current release");
    publishing->add_flag("--json", options->is_json, "Print progress and the result as JSON");
    publishing->footer("Ctrl-C stops watching; the node's job goes on: aptward jobs.");
    publishing->callback([&action, options] { action = [options] { return publish(*options); }; });
    CLI::App* listing = swarm->add_subcommand(
        "list", "The torrents that this node publishes, and those that its peers tell of");
    add_reach_options(*listing, options->reach);
    listing->add_flag("--json", options->is_json, "Print the facts as JSON");
    listing->callback([&action, options] { action = [options] { return list(*options); }; });
    CLI::App* stopping = swarm->add_subcommand("stop", "Publish a torrent no more");
    add_reach_options(*stopping, options->reach);
    stopping->add_option("MAGNET", options->magnet, "Its magnet link, or its info hash")
        ->required();
    stopping->callback([&action, options] {
        action = [options] {
            return send_order(options->reach, "/api/v1/torrents/stop",
                              {{"magnet", options->magnet}});
        };
    });
}

}  // namespace aptward::cli
