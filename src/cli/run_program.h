// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Other programs as children of a command. Private to cli/.

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace aptward::cli {

/// Runs a program and gives its standard output; its standard error stays ours.
/// Fails with storage when it cannot be started.
struct ProgramEnd {
    int status = 0;
    std::string output;
};
Result<ProgramEnd> run_program(const std::vector<std::string>& command);

/// Runs a program in our own terminal, found as a shell finds it, with "NAME=value" added to the
/// environment and signals as they were before we changed them; gives its exit status.
Result<int> run_in_place(const std::vector<std::string>& command,
                         const std::vector<std::string>& more_environment);

/// What exec takes, as long as `texts` live.
std::vector<char*> pointers_to(const std::vector<std::string>& texts);
/// The exit status of a child; 128 when a signal ended it.
int wait_for(::pid_t pid);

}  // namespace aptward::cli
