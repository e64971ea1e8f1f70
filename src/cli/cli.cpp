// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/text.h"
#include "base/version.h"
#include "cli/commands.h"

namespace aptward::cli {

void add_commands(CLI::App& app, Action& action)
{
    app.name("aptward");
    app.description(
        "Aptward keeps apt installing, and never the unproven, while its mirrors fail.");
    app.set_version_flag("--version", "aptward " + std::string(version()));
    app.require_subcommand(1);
    app.footer(
        "Exit status: 0 yes or ok, 1 no or found, 2 usage or configuration, 3 could not tell.");
    add_manual(app, action);
    add_completion(app, action);
    add_serve(app, action);
    add_status(app, action);
    add_events(app, action);
    add_doctor(app, action);
    add_approve(app, action);
    add_keys(app, action);
    add_verify(app, action);
    add_deliveries(app, action);
    add_jobs(app, action);
    add_scrub(app, action);
    add_gc(app, action);
    add_snapshot(app, action);
    add_freeze(app, action);
    add_thaw(app, action);
    add_mirror(app, action);
    add_export(app, action);
    add_bundle(app, action);
    add_drill(app, action);
    add_peer(app, action);
    add_swarm(app, action);
    add_stock(app, action);
    add_config(app, action);
    add_token(app, action);
    add_client(app, action);
    add_import(app, action);
    add_solver(app, action);
}

int failed(const std::string& sentence, int status)
{
    std::fprintf(stderr, "aptward: %s\n", sentence.c_str());
    return status;
}

namespace {

// The command that was meant, as far as there is one: "aptward snapshot pin".
std::string command_of(const CLI::App& app, int argc, char** argv)
{
    const CLI::App* at = &app;
    std::string path = app.get_name();
    for (int i = 1; i < argc; ++i) {
        const auto next = at->get_subcommands([&](const CLI::App* command) {
            return !command->get_group().empty() && command->check_name(argv[i]);
        });
        if (next.empty())
            break;
        at = next.front();
        path += " " + at->get_name();
    }
    return path;
}

// "there is no command ...": CLI11 says only that one is required.
std::string unknown_command(const CLI::App& app, int argc, char** argv)
{
    const CLI::App* at = &app;
    for (int i = 1; i < argc && at->get_require_subcommand_min() > 0; ++i) {
        const std::string word = argv[i];
        if (word.empty() || word.front() == '-')
            return "";
        std::vector<std::string> names;
        const CLI::App* next = nullptr;
        for (const CLI::App* command : at->get_subcommands([](const CLI::App*) { return true; })) {
            if (!command->get_group().empty())  // one without a group is hidden
                names.push_back(command->get_name());
            if (command->check_name(word))
                next = command;
        }
        if (next == nullptr)
            return fmt::format("there is no command \"{}\"; there are: {}", printable(word),
                               fmt::join(names, ", "));
        at = next;
    }
    return "";
}

}  // namespace

int run(int argc, char** argv)
{
    CLI::App app;
    Action action;
    add_commands(app, action);
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp& help) {
        return app.exit(help);
    } catch (const CLI::CallForVersion& version) {
        return app.exit(version);
    } catch (const CLI::ParseError& error) {
        const std::string unknown = unknown_command(app, argc, argv);
        std::fprintf(stderr, "aptward: %s; see %s --help\n",
                     unknown.empty() ? error.what() : unknown.c_str(),
                     command_of(app, argc, argv).c_str());
        return kUsage;
    }
    return action ? action() : kUsage;
}

}  // namespace aptward::cli
