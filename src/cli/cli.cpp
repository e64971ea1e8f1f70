// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/cli.h"

#include <CLI/CLI.hpp>
#include <cstdio>

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
    add_config(app, action);
    add_token(app, action);
    add_client(app, action);
    add_import(app, action);
}

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
        std::fprintf(stderr, "aptward: %s; see aptward --help\n", error.what());
        return kUsage;
    }
    return action ? action() : kUsage;
}

}  // namespace aptward::cli
