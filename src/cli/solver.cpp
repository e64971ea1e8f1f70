// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward solve FOLDER`: what solve/ runs confined. Not for people, so it has no group and no
// help.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "solve/solve.h"

namespace aptward::cli {

void add_solver(CLI::App& app, Action& action)
{
    auto folder = std::make_shared<std::string>();
    CLI::App* command = app.add_subcommand("solve", "Answer the node's questions about a machine");
    command->group("");
    command->add_option("folder", *folder)->required();
    command->callback(
        [&action, folder] { action = [folder] { return solve::run_solver(*folder); }; });
}

}  // namespace aptward::cli
