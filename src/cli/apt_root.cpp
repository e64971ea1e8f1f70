// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/apt_root.h"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "base/clock.h"
#include "base/file.h"
#include "cli/run_program.h"

namespace aptward::cli {
namespace {

Result<int> run_in(const std::filesystem::path& folder, const std::vector<std::string>& command,
                   const std::vector<std::string>& environment, const std::filesystem::path& output)
{
    ::posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                       0644);
    ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
    ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
    ::posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    ::pid_t pid = 0;
    const int error = ::posix_spawn(&pid, command.front().c_str(), &actions, &attributes,
                                    pointers_to(command).data(), pointers_to(environment).data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0)
        return fail_errno("starting " + command.front(), error);
    return wait_for(pid);
}

}  // namespace

Result<AptRoot> AptRoot::make()
{
    TRY(auto folder_of_it,
        TemporaryFolder::make(std::filesystem::temp_directory_path(), "aptward-check"));
    AptRoot root(std::move(folder_of_it));
    for (const char* folder : {"state/lists/partial", "cache/archives/partial", "etc/apt.conf.d",
                               "etc/preferences.d", "downloads"})
        TRY_VOID(make_directories(root.path() / folder));
    return root;
}

Result<void> AptRoot::configure(const std::string& text) const
{
    return write_file_durably(path() / "apt.conf", text);
}

Result<AptRoot::End> AptRoot::run(const std::vector<std::string>& command) const
{
    const SteadyTime started = steady_now();
    End end;
    TRY(end.status, run_in(path() / "downloads", command,
                           {"APT_CONFIG=" + (path() / "apt.conf").string(), "LC_ALL=C",
                            "PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
                           path() / "output"));
    end.seconds = std::chrono::duration<double>(steady_now() - started).count();
    end.said = read_file(path() / "output", 1 << 20).value_or("");
    return end;
}

bool AptRoot::End::is_good() const
{
    const std::string lines = "\n" + said;
    return status == 0 && lines.find("\nErr:") == std::string::npos &&
           lines.find("\nW: ") == std::string::npos && lines.find("\nE: ") == std::string::npos;
}

}  // namespace aptward::cli
