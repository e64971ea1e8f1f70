// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/run_program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/file.h"

extern char** environ;

namespace aptward::cli {

namespace {

// "NAME=value" of `more` in the place of what this process has under that name.
std::vector<std::string> environment_with(const std::vector<std::string>& more)
{
    std::vector<std::string> environment = more;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text = *entry;
        const std::string name = text.substr(0, text.find('=') + 1);
        const bool is_replaced = std::any_of(
            more.begin(), more.end(),
            [&](const std::string& other) { return other.compare(0, name.size(), name) == 0; });
        if (!is_replaced)
            environment.push_back(text);
    }
    return environment;
}

}  // namespace

std::vector<char*> pointers_to(const std::vector<std::string>& texts)
{
    std::vector<char*> list;
    for (const std::string& text : texts)
        list.push_back(const_cast<char*>(text.c_str()));  // posix_spawn's signature is older
    list.push_back(nullptr);
    return list;
}

int wait_for(::pid_t pid)
{
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

Result<int> run_in_place(const std::vector<std::string>& command,
                         const std::vector<std::string>& more_environment)
{
    ::posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::sigset_t ours;
    ::sigemptyset(&ours);
    for (const int number : {SIGINT, SIGTERM, SIGPIPE, SIGXFSZ})
        ::sigaddset(&ours, number);
    ::posix_spawnattr_setsigdefault(&attributes, &ours);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    const auto environment = environment_with(more_environment);
    ::pid_t pid = 0;
    const int error = ::posix_spawnp(&pid, command.front().c_str(), nullptr, &attributes,
                                     pointers_to(command).data(), pointers_to(environment).data());
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0)
        return fail_errno("starting " + command.front(), error);
    return wait_for(pid);
}

Result<ProgramEnd> run_program(const std::vector<std::string>& command)
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return fail_errno("creating a pipe", errno);
    const Fd output(ends[0]);
    Fd input(ends[1]);
    ::posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
    ::pid_t pid = 0;
    const int error = ::posix_spawn(&pid, command.front().c_str(), &actions, nullptr,
                                    pointers_to(command).data(), environ);
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
    end.status = wait_for(pid);
    return end;
}

}  // namespace aptward::cli
