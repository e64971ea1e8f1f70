// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What the subcommands of `aptward bundle` and `aptward serve --bundle` share. Private to cli/.

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/commands.h"
#include "cli/job_follow.h"
#include "node/node.h"

namespace aptward::cli {

/// Prints the error; gives the exit status that it means: 1 for a bundle that is wrong, 2 for
/// something that is not there, 3 when it could not be told.
int complain(const Error& error);

/// Prints how an import ended; gives the exit status: 1 when nothing, or not all, was accepted.
int tell_import(const JobEnd& end, bool is_json);

/// Has a node of this process serve what a bundle carries, with a line of progress; the same
/// status.
int serve_bundle(node::Node& node, const std::string& file, const std::vector<std::string>& signers,
                 const std::function<bool()>& is_cancelled);

void add_bundle_apply(CLI::App& bundle, Action& action);
void add_bundle_import(CLI::App& bundle, Action& action);

}  // namespace aptward::cli
