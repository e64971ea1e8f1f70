// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What the subcommands of `aptward bundle` share. Private to cli/.

#include "base/result.h"
#include "cli/commands.h"

namespace aptward::cli {

/// Prints the error; gives the exit status that it means: 1 for a bundle that is wrong, 2 for
/// something that is not there, 3 when it could not be told.
int complain(const Error& error);

void add_bundle_import(CLI::App& bundle, Action& action);

}  // namespace aptward::cli
