// SPDX-License-Identifier: GPL-3.0-or-later
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "cli/client_parts.h"

extern char** environ;

namespace aptward::cli {

Result<ProgramEnd> run_program(const std::vector<std::string>& command)
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return fail_errno("creating a pipe", errno);
    const Fd output(ends[0]);
    Fd input(ends[1]);
    std::vector<char*> words;
    for (const std::string& word : command)
        words.push_back(const_cast<char*>(word.c_str()));  // posix_spawn's signature is older
    words.push_back(nullptr);
    ::posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
    ::pid_t pid = 0;
    const int error =
        ::posix_spawn(&pid, command.front().c_str(), &actions, nullptr, words.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    input.reset();
    if (error != 0)
        return fail_errno("starting " + command.front(), error);
    ProgramEnd end;
    char buffer[4096];
    for (;;) {
        const ssize_t got = ::read(output.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        end.output.append(buffer, static_cast<std::size_t>(got));
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    end.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    return end;
}

}  // namespace aptward::cli
