// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/background.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace aptward {
namespace {

// ioprio_set(2), which glibc does not wrap.
constexpr int kWhoThread = 1, kClassIdle = 3 << 13, kLastOfBestEffort = (2 << 13) | 7;
constexpr int kNiceness = 10;

}  // namespace

// Niceness alone would not do: a nice thread keeps its slice when another one wakes up,
// milliseconds in which a client waits. One of SCHED_IDLE makes way at once.
void go_to_background()
{
    const ::sched_param none{};
    const int scheduled [[maybe_unused]] = ::sched_setscheduler(0, SCHED_IDLE, &none);
    const long queued [[maybe_unused]] = ::syscall(SYS_ioprio_set, kWhoThread, 0, kClassIdle);
}

// Not SCHED_IDLE: on a machine that is busy with other things it would get a three-hundredth of a
// processor, and hold the locks that it shares with clients' threads for as long.
void step_back()
{
    const auto self = static_cast<::id_t>(::gettid());
    const int before = ::getpriority(PRIO_PROCESS, self);
    const int niced [[maybe_unused]] = ::setpriority(PRIO_PROCESS, self, before + kNiceness);
    const long queued [[maybe_unused]] =
        ::syscall(SYS_ioprio_set, kWhoThread, 0, kLastOfBestEffort);
}

}  // namespace aptward
