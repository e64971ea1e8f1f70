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

/// When a deadline is, for whoever is told of it or keeps it over a restart: the steady clock ends
/// with the process. The epoch where it is past.
inline SystemTime system_time_of(SteadyTime then, SteadyTime now)
{
    return then <= now ? SystemTime{}
                       : system_now() + std::chrono::ceil<SystemTime::duration>(then - now);
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
