// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Keeping what is held within a quota, as a job. docs/decisions/0018-bounded-disk.md.

#include <functional>
#include <string>

#include "archive/archive.h"
#include "archive/jobs.h"
#include "archive/quota.h"

namespace aptward::archive {

inline constexpr const char* kEviction = "gc";

struct EvictionSettings {
    Quota& quota;  ///< Outlives the jobs; is told what was counted.
    std::function<void()>
        on_evicted;  ///< Something went: whoever has it open closes it. Any thread.
};

/// The JSON that starts one: {"dry_run": false, "to": BYTES}, or "free": BYTES that are to go;
/// without either: what the quota wants.
Jobs::Kind make_eviction(Services& services, FindArchive find_archive, EvictionSettings settings);

/// What a collection would have to leave now, whatever the quota. A walk through all that is held.
/// Blocks; any thread but the state's. Fails as the job does; stale when `goes_on` says no.
Result<QuotaCount> count_what_stays(Services& services, const FindArchive& find_archive,
                                    std::chrono::seconds hot_for,
                                    const std::function<bool()>& goes_on);

/// What was used so lately stays: between a look whether something is held and its use there may be
/// a fetch of minutes.
inline constexpr std::chrono::hours kSpared{1};

/// Above this share of a quota things go, down to that one, so that they do not go one by one.
inline constexpr double kHighWater = 0.95, kLowWater = 0.90;

}  // namespace aptward::archive
