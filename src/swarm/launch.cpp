// SPDX-License-Identifier: GPL-3.0-or-later
#include "swarm/launch.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <system_error>

#include "swarm/process.h"

namespace aptward::swarm {
namespace {

constexpr int kControl = 3;
constexpr const char* kName = "aptward-swarm";

// What posix_spawn() is told, freed at the end.
struct Actions {
    ::posix_spawn_file_actions_t files;
    ::posix_spawnattr_t attributes;
    Actions()
    {
        ::posix_spawn_file_actions_init(&files);
        ::posix_spawnattr_init(&attributes);
    }
    ~Actions()
    {
        ::posix_spawn_file_actions_destroy(&files);
        ::posix_spawnattr_destroy(&attributes);
    }
    Actions(const Actions&) = delete;
    Actions& operator=(const Actions&) = delete;
};

int prepare(Actions& actions, int control)
{
    // The node blocks some signals and ignores others.
    ::sigset_t all, none;
    ::sigfillset(&all);
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigdefault(&actions.attributes, &all);
    ::posix_spawnattr_setsigmask(&actions.attributes, &none);
    ::posix_spawnattr_setflags(&actions.attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    int error = ::posix_spawn_file_actions_addopen(&actions.files, 0, "/dev/null", O_RDWR, 0);
    if (error == 0)
        error = ::posix_spawn_file_actions_adddup2(&actions.files, 0, 1);
    if (error == 0)
        error = ::posix_spawn_file_actions_adddup2(&actions.files, control, kControl);
    if (error == 0)
        error = ::posix_spawn_file_actions_addclosefrom_np(&actions.files, kControl + 1);
    return error;
}

}  // namespace

std::optional<std::filesystem::path> find_program()
{
    std::error_code none;
    const auto own = std::filesystem::read_symlink("/proc/self/exe", none);
    const auto folder = own.parent_path();
    for (const auto& place : {folder / kName, folder.parent_path() / "libexec/aptward" / kName})
        if (std::filesystem::is_regular_file(place, none))
            return place;
    return std::nullopt;
}

Result<Launched> launch(const std::filesystem::path& program, const std::filesystem::path& staging)
{
    TRY_VOID(make_directories(staging));
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail_errno("creating a socket for aptward-swarm", errno);
    Launched launched{Fd(ends[0]), 0};
    const Fd far_end(ends[1]);
    Actions actions;
    std::string name = program.string(), folder = staging.string();
    std::string parent = std::to_string(::getpid()), locale = "LC_ALL=C";
    const std::array<char*, 4> arguments{name.data(), folder.data(), parent.data(), nullptr};
    const std::array<char*, 2> environment{locale.data(), nullptr};
    int error = prepare(actions, far_end.get());
    if (error == 0)
        error = ::posix_spawn(&launched.pid, name.c_str(), &actions.files, &actions.attributes,
                              arguments.data(), environment.data());
    if (error != 0)
        return fail(Errc::unavailable,
                    "starting " + name + ": " + std::generic_category().message(error));
    return launched;
}

}  // namespace aptward::swarm
