// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The clock seam. Policies take `now` as an argument; only shells ask a Clock.

#include <chrono>
#include <cstdint>

namespace aptward {

using SystemTime = std::chrono::sys_seconds;
using SteadyTime = std::chrono::steady_clock::time_point;

/// Wall-clock time in whole seconds, UTC. Any thread.
inline SystemTime system_now()
{
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

/// Time that never jumps, for deadlines and rates. Any thread.
inline SteadyTime steady_now()
{
    return std::chrono::steady_clock::now();
}

/// Seconds since 1970 as stored in databases, journals and JSON.
inline std::int64_t to_unix(SystemTime time)
{
    return time.time_since_epoch().count();
}
inline SystemTime from_unix(std::int64_t seconds)
{
    return SystemTime(std::chrono::seconds(seconds));
}

}  // namespace aptward
