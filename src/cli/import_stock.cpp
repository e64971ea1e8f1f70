// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward import stock`: the running node takes in what lies in a folder, as a job.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "archive/import_job.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/job_follow.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

struct Options {
    Reach reach;
    std::string folder, archive;
    bool is_json = !is_terminal(), waits = true;
};

// 1 when the folder was of no use at all, or a release of it waits for what it lacks.
int status_of(const Json& result)
{
    const bool is_useful =
        result.value("stored", std::uint64_t{0}) + result.value("held", std::uint64_t{0}) > 0;
    for (const Json& release : result.value("releases", Json::array()))
        if (release.value("outcome", "") == "held")
            return kNo;
    return is_useful ? kOk : kNo;
}

int follow(const node::Config& config, const Options& options, std::int64_t id)
{
    if (!options.waits) {
        print_started(id, options.is_json);
        return kOk;
    }
    const auto end = follow_job(config.admin, id, options.is_json);
    if (!end)
        return failed(end.error().message(), kUnknown);
    if (end->state != "done")
        return failed(end->message, end->state == "failed" ? kNo : kUnknown);
    const Json result = Json::parse(end->result, nullptr, false);
    if (!result.is_object())
        return failed("the node does not say what it imported", kUnknown);
    fmt::print("{}\n", options.is_json ? result.dump() : end->message);
    return status_of(result);
}

int import(const Options& options)
{
    // The node may see what this user may not: only what is surely wrong is told here.
    std::error_code error;
    const auto found = std::filesystem::status(options.folder, error);
    if (found.type() == std::filesystem::file_type::not_found)
        return failed("there is no folder " + printable(options.folder), kUsage);
    if (!error && !std::filesystem::is_directory(found))
        return failed(printable(options.folder) + " is no folder", kUsage);
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const Json request = {{"kind", archive::kStockImport},
                          {"folder", std::filesystem::absolute(options.folder).string()},
                          {"archive", options.archive}};
    const auto job =
        ask_for_job(config->admin, request.dump(-1, ' ', false, Json::error_handler_t::replace));
    if (!job)
        return failed(fmt::format("a running node takes the files in, and none answers ({}): start "
                                  "it with aptward serve",
                                  job.error().message()),
                      kUnknown);
    if (job->id != 0)
        return follow(*config, options, job->id);
    const bool is_mistake = job->status == 400 || job->status == 404;
    return failed(job->why, is_mistake ? kUsage : kUnknown);
}

}  // namespace

void add_import_stock(CLI::App& import_command, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = import_command.add_subcommand(
        "stock",
        "Have the running node take in what a release names of a folder: of apt-cacher-ng, "
        "apt-mirror, debmirror, aptly or apt, or any other");
    add_reach_options(*command, options->reach);
    command->add_option("folder", options->folder, "The folder, which the node has to see")
        ->required();
    command->add_option("--archive", options->archive,
                        "Look for files and releases of this archive only, wherever they lie");
    command->add_flag("--json", options->is_json, "Print progress and the result as lines of JSON");
    command->add_flag("--wait,!--no-wait", options->waits,
                      "Wait for the node's job to end (the default), or only start it");
    command->footer("Ctrl-C stops watching; the node's job goes on: aptward jobs.");
    command->callback([&action, options] { action = [options] { return import(*options); }; });
}

}  // namespace aptward::cli
