// SPDX-License-Identifier: GPL-3.0-or-later
// What a process may open, by Landlock: the C library has no calls for it.
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "base/file.h"
#include "crypto/confine.h"
#include "crypto/crypto.h"

namespace aptward::crypto {
namespace {

// The rights of Landlock's first version, which every kernel that has it knows.
constexpr std::uint64_t kReads = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kCreates = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG;
constexpr std::uint64_t kChanges = kCreates | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                   LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_DIR;
constexpr std::uint64_t kAll = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

// Libraries, and what the dynamic linker and the C library look at.
constexpr const char* kSystem[] = {"/usr",      "/lib",        "/lib64", "/etc/ld.so.cache",
                                   "/dev/null", "/dev/urandom"};

// By which hosts are found; where systemd-resolved is, /etc/resolv.conf leads to its folder.
constexpr const char* kNames[] = {"/etc/hosts",          "/etc/host.conf", "/etc/resolv.conf",
                                  "/etc/nsswitch.conf",  "/etc/gai.conf",  "/etc/services",
                                  "/run/systemd/resolve"};

bool allow(int rules, const char* path, std::uint64_t access)
{
    const Fd place(::open(path, O_PATH | O_CLOEXEC));
    if (!place)
        return errno == ENOENT;
    ::landlock_path_beneath_attr rule{};
    rule.allowed_access = access;
    rule.parent_fd = place.get();
    return ::syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

bool allow_reading(int rules, std::span<const char* const> paths)
{
    return std::all_of(paths.begin(), paths.end(), [rules](const char* path) {
        // A file has no directory to read.
        std::error_code none;
        const bool is_folder = std::filesystem::is_directory(path, none);
        return allow(rules, path, is_folder ? kReads : LANDLOCK_ACCESS_FS_READ_FILE);
    });
}

Result<void> restrict_to(const std::filesystem::path& folder, std::uint64_t access,
                         std::span<const char* const> more)
{
    ::landlock_ruleset_attr attributes{};
    attributes.handled_access_fs = kAll;
    const Fd rules(static_cast<int>(
        ::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
    const bool is_whole = rules && allow(rules.get(), folder.c_str(), access) &&
                          allow_reading(rules.get(), kSystem) && allow_reading(rules.get(), more) &&
                          ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                          ::syscall(SYS_landlock_restrict_self, rules.get(), 0) == 0;
    if (!is_whole)
        return fail(Errc::unavailable,
                    "this kernel has no Landlock (Linux 5.13 and later have, "
                    "where the configuration switches it on)");
    return {};
}

}  // namespace

Result<void> see_only(const std::filesystem::path& folder)
{
    return restrict_to(folder, kReads | kCreates, {});
}

Result<void> change_only(const std::filesystem::path& folder)
{
    return restrict_to(folder, kReads | kChanges, kNames);
}

}  // namespace aptward::crypto
