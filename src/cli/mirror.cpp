// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward mirror`: a job of the running node that fetches all that is chosen of an archive.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "archive/mirror_job.h"
#include "base/text.h"
#include "catalog/proof.h"
#include "cli/commands.h"
#include "cli/despite_freeze.h"
#include "cli/export.h"
#include "cli/job_follow.h"
#include "cli/selection_options.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

struct Options {
    Reach reach;
    SelectionOptions chosen;
    bool is_json = !is_terminal(), waits = true, is_despite_freeze = false;
    std::string rate = "0";
    std::string export_folder;  ///< Empty: none.
};

int follow(const node::Config& config, const Options& options, std::int64_t id)
{
    if (!options.waits) {
        print_started(id, options.is_json);
        return kOk;
    }
    const auto end = follow_job(config.admin, id, options.is_json);
    if (!end)
        return failed(end.error().message(), kUnknown);
    const char* unexported = options.export_folder.empty() ? "" : "; nothing was exported";
    if (end->state == "failed")
        return failed(end->message + unexported, kNo);
    if (end->state != "done")
        return failed(fmt::format("job {} was {}: {}{}", id, end->state, end->message, unexported),
                      kUnknown);
    fmt::print("{}\n", options.is_json ? end->result : end->message);
    if (options.export_folder.empty())
        return kOk;
    std::fflush(stdout);
    return export_to(config, {options.chosen, options.export_folder, options.is_json,
                              options.is_despite_freeze});
}

// What the export would refuse at the end is not fetched for it.
Result<void> check_export(const node::Config& config, const Options& options)
{
    if (options.export_folder.empty() || options.is_despite_freeze)
        return {};
    TRY(const auto decisions, catalog::read_decisions(config.state));
    return check_thawed(decisions, options.chosen.archive);
}

int mirror(const Options& options)
{
    const auto rate = parse_size(options.rate);
    if (!rate)
        return failed(
            fmt::format("--rate \"{}\" is no rate: write 50M or 500k", printable(options.rate)),
            kUsage);
    archive::MirrorRequest request{options.chosen.archive, options.chosen.suites, {}, *rate};
    auto selection = options.chosen.read();
    if (!selection)
        return failed(selection.error().message(), kUsage);
    request.selection = std::move(*selection);
    if (!options.waits && !options.export_folder.empty())
        return failed("--export waits for the end of the job: leave --no-wait out", kUsage);
    auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    apply(options.reach, *config);
    if (const auto checked = check_export(*config, options); !checked)
        return failed(checked.error().message(), kNo);
    const auto job = ask_for_job(config->admin, to_json(request));
    if (!job)
        return failed(job.error().message(), kUnknown);
    if (job->id != 0)
        return follow(*config, options, job->id);
    const bool is_mistake = job->status == 400 || job->status == 404;
    return failed(job->why, is_mistake ? kUsage : kUnknown);
}

}  // namespace

void add_mirror(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command =
        app.add_subcommand("mirror", "Fetch all of an archive, or the part that is chosen");
    add_reach_options(*command, options->reach, ReadsState::yes);
    add_selection_options(*command, options->chosen);
    command->add_option("--rate", options->rate,
                        "Bytes to fetch per second on average, such as 50M; 0 is no limit");
    command->add_option("--export", options->export_folder,
                        "Then write what was chosen to this folder, as aptward export does");
    add_despite_freeze(*command, options->is_despite_freeze);
    command->add_flag(
        "--json,!--no-json", options->is_json,
        "Print progress and the result as lines of JSON (the default where the output "
        "is no terminal)");
    command->add_flag("--wait,!--no-wait", options->waits,
                      "Wait for the job to end (the default), or only start it");
    command->footer("Ctrl-C stops watching; the node's job goes on: aptward jobs.");
    command->callback([&action, options] { action = [options] { return mirror(*options); }; });
}

}  // namespace aptward::cli
