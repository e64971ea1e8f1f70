// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward status`, `aptward events`, `aptward approve`: what the running node knows and is told.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "cli/commands.h"
#include "deb/deb.h"

namespace aptward::cli {
namespace {

struct Options {
    Reach reach;
    bool is_json = false;
    bool follows = false;
    std::int64_t after = 0;
    std::string archive, suite, release;
};

int failed(const Error& error)
{
    std::fprintf(stderr, "aptward: %s\n", error.message().c_str());
    return kUnknown;
}

int show_status(const Options& options)
{
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const auto answer = ask_admin(config->admin, "GET", "/api/v1/status");
    if (!answer)
        return failed(answer.error());
    if (options.is_json)
        std::fputs(answer->body.c_str(), stdout);
    else
        std::fputs(render_status_table(answer->body, is_terminal()).c_str(), stdout);
    return answer->status == 200 ? kOk : kUnknown;
}

void print_event(const nlohmann::json& event)
{
    fmt::print("{} {}  {:<24} {} {} {}{}\n", event.value("number", 0),
               deb::format_release_date(from_unix(event.value("time", std::int64_t{0}))),
               event.value("code", ""), event.value("archive", ""), event.value("suite", ""),
               event.value("source", "").empty() ? "" : event.value("source", "") + ": ",
               event.value("message", ""));
}

// The events from now on, one line each, until the node or the user ends it.
int follow_events(const node::Config& config, const Options& options, std::int64_t after)
{
    const auto show = [&options](std::string_view line) {
        if (line.substr(0, 6) != "data: ")
            return;
        const auto event = nlohmann::json::parse(line.substr(6), nullptr, false);
        if (event.is_object() && options.is_json)
            fmt::print("{}\n", line.substr(6));
        else if (event.is_object())
            print_event(event);
        std::fflush(stdout);
    };
    const auto done =
        follow_admin(config.admin, fmt::format("/api/v1/events?follow=1&after={}", after), show);
    return failed(done.error());
}

int show_events(const Options& options)
{
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const auto answer =
        ask_admin(config->admin, "GET", fmt::format("/api/v1/events?after={}", options.after));
    if (!answer)
        return failed(answer.error());
    if (options.is_json && !options.follows) {
        std::fputs(answer->body.c_str(), stdout);
        return kOk;
    }
    std::int64_t last = options.after;
    const auto events = nlohmann::json::parse(answer->body, nullptr, false);
    for (const auto& event : events) {
        last = event.value("number", last);
        if (options.is_json)
            fmt::print("{}\n", event.dump());
        else
            print_event(event);
    }
    std::fflush(stdout);
    return options.follows ? follow_events(*config, options, last) : kOk;
}

int approve(const Options& options)
{
    return send_order(
        options.reach, "/api/v1/approve",
        {{"archive", options.archive}, {"suite", options.suite}, {"release", options.release}});
}

}  // namespace

void add_status(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("status", "Show archives, generations and sources");
    add_reach_options(*command, options->reach);
    command->add_flag("--json", options->is_json, "Print the facts as JSON");
    command->callback([&action, options] { action = [options] { return show_status(*options); }; });
}

void add_events(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("events", "Show what happened, newest last");
    add_reach_options(*command, options->reach);
    command->add_flag("--json", options->is_json, "Print the facts as JSON");
    command->add_flag("--follow", options->follows, "Go on: print each event when it happens");
    command->add_option("--after", options->after, "Only events with a higher number");
    command->callback([&action, options] { action = [options] { return show_events(*options); }; });
}

void add_approve(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "approve",
        "Accept a release that the policy refused (its id is in `aptward events --json`)");
    add_reach_options(*command, options->reach);
    command->add_option("archive", options->archive, "Id of the archive")->required();
    command->add_option("suite", options->suite, "Suite")->required();
    command->add_option("release", options->release, "Id of the refused release")->required();
    command->callback([&action, options] { action = [options] { return approve(*options); }; });
}

}  // namespace aptward::cli
