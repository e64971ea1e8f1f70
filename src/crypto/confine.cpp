// SPDX-License-Identifier: GPL-3.0-or-later
#include "crypto/confine.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "base/sanitizer.h"
#include "crypto/confine_service.h"

namespace aptward::crypto {
namespace {

constexpr unsigned kNobody = 65534;

struct Limit {
    int resource;
    rlim_t most;
};

// gpgv with the whole Debian keyring and a 10 MB text needs under 30 MB and 0.1 s, apt's solver
// with the lists of Debian's main some 150 MB.
constexpr Limit kLimits[] = {
    {RLIMIT_AS, kHasAddressSanitizer ? RLIM_INFINITY : rlim_t{1} << 30},
    {RLIMIT_FSIZE, 64'000'000},
    {RLIMIT_CORE, 0},
    {RLIMIT_NOFILE, 64},
};

// For a service of many connections.
constexpr Limit kServiceLimits[] = {
    {RLIMIT_AS, kHasAddressSanitizer ? RLIM_INFINITY : rlim_t{4} << 30},
    {RLIMIT_CORE, 0},
    {RLIMIT_NOFILE, 4096},
};

// What a verifier has no use for and a hijacked one would want: the network, and changing files by
// name.
constexpr int kOutside[] = {
    SCMP_SYS(socket),   SCMP_SYS(socketpair), SCMP_SYS(connect),   SCMP_SYS(bind),
    SCMP_SYS(listen),   SCMP_SYS(accept),     SCMP_SYS(accept4),   SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),  SCMP_SYS(sendmmsg),   SCMP_SYS(creat),     SCMP_SYS(openat2),
    SCMP_SYS(truncate), SCMP_SYS(unlink),     SCMP_SYS(unlinkat),  SCMP_SYS(rename),
    SCMP_SYS(renameat), SCMP_SYS(renameat2),  SCMP_SYS(link),      SCMP_SYS(linkat),
    SCMP_SYS(symlink),  SCMP_SYS(symlinkat),  SCMP_SYS(mkdir),     SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),    SCMP_SYS(mknod),      SCMP_SYS(mknodat),   SCMP_SYS(chmod),
    SCMP_SYS(fchmodat), SCMP_SYS(chown),      SCMP_SYS(lchown),    SCMP_SYS(fchownat),
    SCMP_SYS(setxattr), SCMP_SYS(lsetxattr),  SCMP_SYS(utimensat),
};

// What nothing that reads hostile bytes has a use for: other processes, and the kernel interfaces
// that most escapes go through.
constexpr int kRefused[] = {
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(rt_tgsigqueueinfo),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(kexec_load),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(reboot),
};

// A service starts no programs. The rest is what Landlock's first version leaves open of files that
// belong to the same user.
constexpr int kNoService[] = {
    SCMP_SYS(execve),   SCMP_SYS(execveat),  SCMP_SYS(fork),        SCMP_SYS(vfork),
    SCMP_SYS(truncate), SCMP_SYS(chmod),     SCMP_SYS(fchmodat),    SCMP_SYS(utimensat),
    SCMP_SYS(mknod),    SCMP_SYS(mknodat),   SCMP_SYS(chown),       SCMP_SYS(lchown),
    SCMP_SYS(fchownat), SCMP_SYS(fchown),    SCMP_SYS(setxattr),    SCMP_SYS(lsetxattr),
    SCMP_SYS(symlink),  SCMP_SYS(symlinkat), SCMP_SYS(openat2),     SCMP_SYS(utime),
    SCMP_SYS(utimes),   SCMP_SYS(futimesat), SCMP_SYS(removexattr), SCMP_SYS(lremovexattr),
};

/// Refused only when one argument is as described.
struct RefusedArgument {
    int system_call;
    scmp_arg_cmp argument;
};

// Who creates files opens them for both, and says that they must be new.
std::vector<int> refused_accesses(bool creates_files)
{
    if (!creates_files)
        return {O_WRONLY, O_RDWR};
    return {O_WRONLY, O_WRONLY | O_CREAT, O_WRONLY | O_EXCL, O_WRONLY | O_CREAT | O_EXCL,
            O_RDWR,   O_RDWR | O_CREAT,   O_RDWR | O_EXCL};
}

// Signals only to itself: abort() must work, so that a crash looks like one.
std::vector<RefusedArgument> refused_signals()
{
    const auto self = static_cast<scmp_datum_t>(::getpid());
    return {
        {SCMP_SYS(prlimit64), {0, SCMP_CMP_NE, 0, 0}},  // 0 is the caller.
        {SCMP_SYS(kill), {0, SCMP_CMP_NE, self, 0}},
        {SCMP_SYS(tkill), {0, SCMP_CMP_NE, self, 0}},
        {SCMP_SYS(tgkill), {0, SCMP_CMP_NE, self, 0}},
    };
}

void refuse_open(std::vector<RefusedArgument>& refused, int of, int flags)
{
    for (const auto& [call, position] :
         {std::pair(SCMP_SYS(open), 1U), std::pair(SCMP_SYS(openat), 2U)})
        refused.push_back({call,
                           {position, SCMP_CMP_MASKED_EQ, static_cast<scmp_datum_t>(of),
                            static_cast<scmp_datum_t>(flags)}});
}

// Of sockets only those of the network, and the kernel's word on interfaces: over a Unix socket the
// node itself takes orders from its own user.
void refuse_sockets(std::vector<RefusedArgument>& refused)
{
    constexpr int kKnown = AF_MAX;
    for (int family = 0; family < kKnown; ++family)
        if (family != AF_INET && family != AF_INET6 && family != AF_NETLINK)
            refused.push_back(
                {SCMP_SYS(socket), {0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(family), 0}});
    refused.push_back({SCMP_SYS(socket), {0, SCMP_CMP_GE, scmp_datum_t{kKnown}, 0}});
}

std::vector<RefusedArgument> refused_arguments(bool creates_files)
{
    const int mask = creates_files ? O_ACCMODE | O_CREAT | O_EXCL : O_ACCMODE;
    std::vector<RefusedArgument> refused = refused_signals();
    for (const int access : refused_accesses(creates_files))
        refuse_open(refused, mask, access);
    // Opened for reading, these change files as well.
    refuse_open(refused, O_TRUNC, O_TRUNC);
    refuse_open(refused, O_ACCMODE, O_ACCMODE);
    if (!creates_files)
        refuse_open(refused, O_CREAT, O_CREAT);
    return refused;
}

using Filter = std::unique_ptr<void, void (*)(void*)>;

int refuse(const Filter& filter, std::uint32_t how, std::span<const int> system_calls)
{
    for (const int system_call : system_calls)
        if (const int result = seccomp_rule_add_array(filter.get(), how, system_call, 0, nullptr);
            result != 0)
            return -result;
    return 0;
}

int refuse(const Filter& filter, std::uint32_t how, const std::vector<RefusedArgument>& refused)
{
    for (const auto& [system_call, argument] : refused)
        if (const int result = seccomp_rule_add_array(filter.get(), how, system_call, 1, &argument);
            result != 0)
            return -result;
    return 0;
}

constexpr std::uint32_t kRefuse = SCMP_ACT_ERRNO(EACCES);

int load_filter(bool creates_files)
{
    const Filter filter(seccomp_init(SCMP_ACT_ALLOW), seccomp_release);
    if (filter == nullptr)
        return ENOMEM;
    if (const int error = refuse(filter, kRefuse, kOutside); error != 0)
        return error;
    if (const int error = refuse(filter, kRefuse, kRefused); error != 0)
        return error;
    if (const int error = refuse(filter, kRefuse, refused_arguments(creates_files)); error != 0)
        return error;
    return -seccomp_load(filter.get());  // Sets no_new_privs as well.
}

// Threads are made by clone(), whose arguments a filter sees; of clone3() it sees none, and the C
// library does without where the kernel does not know it.
int load_filter_of_a_service()
{
    const Filter filter(seccomp_init(SCMP_ACT_ALLOW), seccomp_release);
    if (filter == nullptr)
        return ENOMEM;
    constexpr int kCloneThree[] = {SCMP_SYS(clone3)};
    std::vector<RefusedArgument> arguments = refused_signals();
    arguments.push_back({SCMP_SYS(clone), {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0}});
    refuse_open(arguments, O_TRUNC | O_ACCMODE, O_TRUNC);
    refuse_open(arguments, O_ACCMODE, O_ACCMODE);
    refuse_sockets(arguments);
    if (const int error = refuse(filter, SCMP_ACT_ERRNO(ENOSYS), kCloneThree); error != 0)
        return error;
    if (const int error = refuse(filter, kRefuse, kRefused); error != 0)
        return error;
    if (const int error = refuse(filter, kRefuse, kNoService); error != 0)
        return error;
    if (const int error = refuse(filter, kRefuse, arguments); error != 0)
        return error;
    return -seccomp_load(filter.get());
}

// What the node itself was limited to more tightly stays: nobody may raise it again.
int lower_limits(std::span<const Limit> limits)
{
    for (const Limit& limit : limits) {
        const auto resource = static_cast<__rlimit_resource>(limit.resource);
        rlimit both{};
        if (::getrlimit(resource, &both) != 0)
            return errno;
        both.rlim_max = std::min(both.rlim_max, limit.most);
        both.rlim_cur = both.rlim_max;
        if (::setrlimit(resource, &both) != 0)
            return errno;
    }
    return 0;
}

// Root without capabilities reads what root owns, and no more; Landlock leaves it its folder.
int drop_capabilities()
{
    ::__user_cap_header_struct header{};
    header.version = _LINUX_CAPABILITY_VERSION_3;
    std::array<::__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> held{}, none{};
    if (::syscall(SYS_capget, &header, held.data()) != 0)
        return errno;
    // A unit that leaves none may refuse the call.
    const bool has_some = std::any_of(held.begin(), held.end(), [](const auto& word) {
        return word.permitted != 0 || word.effective != 0;
    });
    return !has_some || ::syscall(SYS_capset, &header, none.data()) == 0 ? 0 : errno;
}

// A node that runs as root (in a container) must not hand that on. Without the capability to
// change the user there is nothing to hand on: EPERM is fine.
int drop_root()
{
    if (::geteuid() != 0)
        return 0;
    const bool is_dropped = ::setgroups(0, nullptr) == 0 &&
                            ::setresgid(kNobody, kNobody, kNobody) == 0 &&
                            ::setresuid(kNobody, kNobody, kNobody) == 0;
    return is_dropped || errno == EPERM ? 0 : errno;
}

}  // namespace

int confine_this_process(std::chrono::seconds compute, bool creates_files)
{
    // An own network namespace has no way out. It needs a right that the node seldom has; the
    // filter below refuses sockets anyway.
    static_cast<void>(::unshare(CLONE_NEWNET | CLONE_NEWIPC));
    if (const int error = drop_root(); error != 0)
        return error;
    if (const int error = load_filter(creates_files); error != 0)
        return error;
    std::vector<Limit> limits(std::begin(kLimits), std::end(kLimits));
    limits.push_back({RLIMIT_CPU, static_cast<rlim_t>(compute.count())});
    return lower_limits(limits);
}

Result<void> confine_service(const std::filesystem::path& folder)
{
    TRY_VOID(change_only(folder));
    const auto is_done = [](const char* what, int error) -> Result<void> {
        if (error != 0)
            return fail(Errc::unavailable,
                        std::string(what) + ": " + std::generic_category().message(error));
        return {};
    };
    TRY_VOID(is_done("dropping rights", drop_capabilities()));
    TRY_VOID(is_done("limiting system calls", load_filter_of_a_service()));
    return is_done("limiting memory and files", lower_limits(kServiceLimits));
}

}  // namespace aptward::crypto
