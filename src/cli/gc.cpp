// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward gc`: what has to go so that the quota holds, and why. A job of the running node.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "archive/eviction_job.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/job_follow.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

struct Options {
    Reach reach;
    bool is_json = false, is_dry_run = false;
    std::string to;
};

std::string why(const Json& file)
{
    const std::string needed_by = file.value("needed_by", "");
    if (needed_by == "nobody")
        return "no release names it";
    return needed_by == "past" ? "only earlier releases name it"
                               : "named by what is served, but not used lately";
}

std::string last_used(const Json& file)
{
    const auto used = file.value("used", std::int64_t{0});
    if (used == 0)
        return "last used at a time that is not known";
    return fmt::format("last used {} ago", human_seconds(to_unix(system_now()) - used));
}

std::string share(const Json& held, const char* need)
{
    const Json one = held.value(need, Json::object());
    return fmt::format("{:>10} in {} files", human_size(one.value("bytes", std::uint64_t{0})),
                       one.value("files", std::uint64_t{0}));
}

void print(const Json& result)
{
    const Json held = result.value("held", Json::object());
    fmt::print("{}  needed by nobody\n", share(held, "nobody"));
    fmt::print("{}  of earlier releases\n", share(held, "past"));
    fmt::print("{}  of what is served, {} of it used lately\n", share(held, "current"),
               human_size(result.value("hot", Json::object()).value("bytes", std::uint64_t{0})));
    fmt::print("{}  indexes, pins, names and freezes\n", share(held, "kept"));
    const Json first = result.value("first", Json::array());
    if (!first.empty())
        fmt::print("{} first:\n", result.value("dry_run", false) ? "Would go" : "Went");
    for (const Json& file : first) {
        std::string name = file.value("name", "");
        if (name.empty())
            name = file.value("file", "") + "...";
        fmt::print("  {:>10}  {}: {}, {}\n", human_size(file.value("bytes", std::uint64_t{0})),
                   name, why(file), last_used(file));
    }
}

int collect(const Options& options)
{
    Json request = {{"kind", archive::kEviction}, {"dry_run", options.is_dry_run}};
    if (!options.to.empty()) {
        const auto to = parse_size(options.to);
        if (!to)
            return failed("--to \"" + printable(options.to) + "\" is no size: write 200G or 500M",
                          kUsage);
        request["to"] = *to;
    }
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const RanJob job = run_job(config->admin, request.dump(), options.is_json);
    if (job.status != kOk)
        return job.status;
    const Json result = Json::parse(job.end.result, nullptr, false);
    if (options.is_json && result.is_object())
        fmt::print("{}\n", result.dump());
    else if (result.is_object())
        print(result);
    if (job.end.state != "done")
        return failed(job.end.message, kNo);
    if (!options.is_json)
        fmt::print("{}\n", job.end.message);
    return kOk;
}

}  // namespace

void add_gc(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command =
        app.add_subcommand("gc", "Show what has to go so that the quota holds, and let it go");
    add_reach_options(*command, options->reach);
    command->add_flag("--dry-run", options->is_dry_run, "Only say what would go, and why");
    command->add_option("--to", options->to,
                        "Hold so much afterwards, such as 200G, instead of what the quota says");
    command->add_flag("--json", options->is_json, "Print progress and the result as lines of JSON");
    command->footer("Ctrl-C stops watching; the node's job goes on: aptward jobs.");
    command->callback([&action, options] { action = [options] { return collect(*options); }; });
}

}  // namespace aptward::cli
