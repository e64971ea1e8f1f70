// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward bundle import`: the running node takes a bundle in, as a job.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "archive/bundle_job.h"
#include "base/text.h"
#include "cli/bundle_parts.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

struct Options {
    Reach reach;
    std::string file;
    std::vector<std::string> signers;
    bool is_json = false, waits = true;
};

// The node may see what this user may not: only what is surely not there is told here.
bool is_absent(const std::filesystem::path& file)
{
    std::error_code error;
    const auto is_gone = [&](const std::filesystem::path& path) {
        return std::filesystem::status(path, error).type() == std::filesystem::file_type::not_found;
    };
    return is_gone(file) && is_gone(file.string() + ".001");
}

int follow(const node::Config& config, const Options& options, std::int64_t id)
{
    if (!options.waits) {
        print_started(id, options.is_json);
        return kOk;
    }
    const auto end = follow_job(config.admin, id, options.is_json);
    if (!end) {
        std::fprintf(stderr, "aptward: %s\n", end.error().message().c_str());
        return kUnknown;
    }
    return tell_import(*end, options.is_json);
}

int import(const Options& options)
{
    if (is_absent(options.file))
        return complain({Errc::not_found, "there is no file " + options.file});
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const Json request = {{"kind", archive::kBundleImport},
                          {"file", std::filesystem::absolute(options.file).string()},
                          {"signed-by", options.signers}};
    const auto job =
        ask_for_job(config->admin, request.dump(-1, ' ', false, Json::error_handler_t::replace));
    if (!job) {
        std::fprintf(stderr,
                     "aptward: a running node takes a bundle in, and none answers (%s): start it "
                     "with aptward serve\n",
                     job.error().message().c_str());
        return kUnknown;
    }
    if (job->id == 0) {
        std::fprintf(stderr, "aptward: the node does not do it: %s\n", job->why.c_str());
        return kUnknown;
    }
    return follow(*config, options, job->id);
}

}  // namespace

int tell_import(const JobEnd& end, bool is_json)
{
    if (end.state != "done") {
        std::fprintf(stderr, "aptward: %s\n", end.message.c_str());
        return end.state == "failed" ? kNo : kUnknown;
    }
    const Json result = Json::parse(end.result, nullptr, false);
    if (!result.is_object() || !result.contains("releases"))
        return complain({Errc::unavailable, "the node does not say what it imported"});
    fmt::print("{}\n", is_json ? result.dump() : end.message);
    std::fflush(stdout);  // a program that runs next may write to the same place
    for (const Json& release : result["releases"])
        if (const std::string outcome = release.value("outcome", "");
            outcome == "refused" || outcome == "held")
            return kNo;
    return kOk;
}

int serve_bundle(node::Node& node, const std::string& file, const std::vector<std::string>& signers,
                 const std::function<bool()>& is_cancelled)
{
    PacedProgress progress;
    const auto record = node.serve_bundle(
        file, signers, [&](std::uint64_t done, std::uint64_t total) { progress.show(done, total); },
        is_cancelled);
    if (!record)
        return complain(record.error());
    return tell_import({std::string(to_string(record->state)), record->message, record->result},
                       false);
}

void add_bundle_import(CLI::App& bundle, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = bundle.add_subcommand(
        "import", "Have the running node take in what a bundle carries and its policy accepts");
    add_reach_options(*command, options->reach);
    command->add_option("file", options->file, "The bundle, or its first piece")->required();
    command->add_option("--signed-by", options->signers,
                        "Refuse it unless one of these keys (NAME+ID+KEY) has signed it");
    command->add_flag("--json", options->is_json, "Print progress and the result as lines of JSON");
    command->add_flag("--wait,!--no-wait", options->waits,
                      "Wait for the node's job to end (the default), or only start it");
    command->footer("Ctrl-C stops watching; the node's job goes on: aptward jobs.");
    command->callback([&action, options] { action = [options] { return import(*options); }; });
}

}  // namespace aptward::cli
