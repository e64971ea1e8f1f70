// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/background.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace aptward {
namespace {

// ioprio_set(2), which glibc does not wrap.
constexpr int kWhoThread = 1, kClassIdle = 3 << 13;

}  // namespace

// Niceness alone would not do: a nice thread keeps its slice when another one wakes up,
// milliseconds in which a client waits. One of SCHED_IDLE makes way at once.
void go_to_background()
{
    const ::sched_param none{};
    const int scheduled [[maybe_unused]] = ::sched_setscheduler(0, SCHED_IDLE, &none);
    const long queued [[maybe_unused]] = ::syscall(SYS_ioprio_set, kWhoThread, 0, kClassIdle);
}

}  // namespace aptward
