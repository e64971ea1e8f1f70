// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The command line: `aptward serve | status | doctor | ...`, one file per command.

namespace aptward::cli {

/// Runs one command. Exit status: 0 yes/ok, 1 no/found, 2 usage or configuration, 3 could not tell.
int run(int argc, char** argv);

}  // namespace aptward::cli
