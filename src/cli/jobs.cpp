// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward jobs [list | show ID | cancel ID]`: the long work of the running node.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"
#include "deb/deb.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

struct Options {
    Reach reach;
    bool is_json = false;
    std::int64_t id = 0;
};

Result<AdminAnswer> ask(const Options& options, const char* method, const std::string& target,
                        int& status)
{
    const auto config = load_config_to_ask(options.reach);
    status = kUsage;
    if (!config)
        return fail(Errc::malformed, "");
    auto answer = ask_admin(config->admin, method, target);
    status = !answer                 ? kUnknown
             : answer->status == 200 ? kOk
             : answer->status == 403 ? kUnknown
                                     : kNo;
    if (!answer)
        std::fprintf(stderr, "aptward: %s\n", answer.error().message().c_str());
    else if (status != kOk)
        std::fprintf(stderr, "aptward: %s", answer->body.c_str());
    return answer;
}

std::string amount(const Json& job, const char* key)
{
    const auto number = job.value(key, std::uint64_t{0});
    return job.value("unit", "") == "bytes" ? human_size(number) : std::to_string(number);
}

void print_line(const Json& job)
{
    std::string progress;
    if (job.value("total", std::uint64_t{0}) > 0)
        progress = amount(job, "done") + " of " + amount(job, "total");
    if (job.contains("remaining"))
        progress += fmt::format(", {}/s, {} left", amount(job, "rate"),
                                human_seconds(job.value("remaining", std::int64_t{0})));
    fmt::print("{:>4}  {:<8} {:<12} {}  {:<8}  {}{}{}\n", job.value("id", 0), job.value("kind", ""),
               job.value("state", ""),
               deb::format_release_date(from_unix(job.value("started", std::int64_t{0}))),
               job.value("who", ""), progress, job.value("message", "").empty() ? "" : "  ",
               job.value("message", ""));
}

int show(const Options& options, const std::string& target)
{
    int status = kOk;
    const auto answer = ask(options, "GET", target, status);
    if (status != kOk)
        return status;
    if (options.is_json) {
        std::fputs(answer->body.c_str(), stdout);
        return kOk;
    }
    const Json jobs = Json::parse(answer->body, nullptr, false);
    if (jobs.is_object())
        print_line(jobs);
    for (const Json& job : jobs.is_array() ? jobs : Json::array())
        print_line(job);
    return kOk;
}

int cancel(const Options& options)
{
    int status = kOk;
    const auto answer =
        ask(options, "POST", fmt::format("/api/v1/jobs/{}/cancel", options.id), status);
    if (status == kOk)
        std::fputs(answer->body.c_str(), stdout);
    return status;
}

}  // namespace

void add_jobs(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    const auto add_options = [options](CLI::App& command) {
        add_reach_options(command, options->reach);
        command.add_flag("--json", options->is_json, "Print the facts as JSON");
    };
    const auto list = [&action, options] {
        action = [options] { return show(*options, "/api/v1/jobs"); };
    };
    CLI::App* jobs = app.add_subcommand("jobs", "Show or cancel the long work of the running node");
    add_options(*jobs);
    jobs->require_subcommand(0, 1);
    jobs->callback([jobs, list] {
        if (jobs->get_subcommands().empty())
            list();
    });
    CLI::App* listing = jobs->add_subcommand("list", "All jobs that are remembered, newest last");
    add_options(*listing);
    listing->callback(list);
    CLI::App* showing = jobs->add_subcommand("show", "One job");
    add_options(*showing);
    showing->add_option("id", options->id, "Number of the job")->required();
    showing->callback([&action, options] {
        action = [options] { return show(*options, fmt::format("/api/v1/jobs/{}", options->id)); };
    });
    CLI::App* cancelling = jobs->add_subcommand("cancel", "Tell a job to stop");
    add_options(*cancelling);
    cancelling->add_option("id", options->id, "Number of the job")->required();
    cancelling->callback([&action, options] { action = [options] { return cancel(*options); }; });
}

}  // namespace aptward::cli
