// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward scrub`: rehash everything held. A running node does it as a job; without one, it is done
// here on the state folder.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "archive/scrub_job.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/job_follow.h"
#include "store/store.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

struct Options {
    Reach reach;
    bool is_json = false, waits = true, is_now = false;
    std::string rate = "0";
    std::uint64_t rate_bytes_per_s = 0;
};

int failed(const Error& error)
{
    std::fprintf(stderr, "aptward: %s\n", error.message().c_str());
    return kUnknown;
}

int scrub_here(const node::Config& config, const Options& options)
{
    // Opening it would make it, and nothing is right in a folder that nobody filled.
    std::error_code none;
    if (!std::filesystem::is_directory(config.state / "blobs", none))
        return failed({Errc::not_found,
                       fmt::format("no state at {}: name the node's folder with --state, or the "
                                   "address it is asked at with --admin",
                                   config.state.string())});
    if (const auto known = store::check_format(config.state); !known)
        return failed(known.error());
    const auto blobs = store::Blobs::open(config.state);
    if (!blobs)
        return failed(blobs.error());
    store::Blobs::ScrubOptions scrub;
    scrub.rate_bytes_per_s = options.rate_bytes_per_s;
    PacedProgress progress;
    scrub.goes_on = [&](const store::Blobs::ScrubReport& report) {
        progress.show(report.checked_bytes, report.total_bytes);
        return true;
    };
    const auto report = (*blobs)->scrub(scrub);
    if (!report)
        return failed(report.error());
    fmt::print("{}\n", options.is_json ? archive::to_json(*report, {}) : archive::to_text(*report));
    return report->damaged_names.empty() ? kOk : kNo;
}

int scrub_in_node(const node::Config& config, const Options& options, std::int64_t id)
{
    if (!options.waits) {
        print_started(id, options.is_json);
        return kOk;
    }
    const auto end = follow_job(config.admin, id, options.is_json);
    if (!end)
        return failed(end.error());
    if (end->state != "done")
        return failed(
            {Errc::unavailable,
             fmt::format("the scrub (job {}) {}: {}", id,
                         end->state == "failed" ? "failed" : "was " + end->state, end->message)});
    const Json result = Json::parse(end->result, nullptr, false);
    if (!result.is_object() || !result.contains("damaged"))
        return failed({Errc::malformed, "the node does not say what the scrub found"});
    fmt::print("{}\n", options.is_json ? result.dump() : end->message);
    const bool is_whole =
        result["damaged"].empty() && result.value("unmended", std::uint64_t{0}) == 0;
    return is_whole ? kOk : kNo;
}

int scrub(Options options)
{
    const auto rate = parse_size(options.rate);
    if (!rate) {
        std::fprintf(stderr, "aptward: --rate \"%s\" is no rate: write 50M or 500k\n",
                     options.rate.c_str());
        return kUsage;
    }
    options.rate_bytes_per_s = *rate;
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const Json request = {{"kind", archive::kScrub}, {"rate", *rate}};
    const auto job = ask_for_job(config->admin, request.dump());
    // Blobs are immutable: reading them beside a node that cannot be asked does no harm.
    if (!job)
        return scrub_here(*config, options);
    if (job->id == 0) {
        std::fprintf(stderr, "aptward: the node does not do it (%s); doing it here\n",
                     job->why.c_str());
        return scrub_here(*config, options);
    }
    return scrub_in_node(*config, options, job->id);
}

}  // namespace

void add_scrub(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("scrub", "Check everything held against its hash");
    add_reach_options(*command, options->reach, ReadsState::yes);
    command->add_flag("--json", options->is_json, "Print progress and the result as lines of JSON");
    command->add_option("--rate", options->rate,
                        "Bytes to read per second, such as 50M; 0 is no limit");
    command->add_flag("--now", options->is_now,
                      "Begin at once: what it does anyway, beside what a node does by itself");
    command->add_flag("--wait,!--no-wait", options->waits,
                      "Wait for a running node's job to end (the default), or only start it");
    command->footer("Ctrl-C stops watching; the node's job goes on: aptward jobs.");
    command->callback([&action, options] { action = [options] { return scrub(*options); }; });
}

}  // namespace aptward::cli
