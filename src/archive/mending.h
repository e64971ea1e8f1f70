// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What ought to be held and is not: looked for, and fetched again. docs/decisions/0026-mending.md.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "archive/jobs.h"
#include "archive/repair.h"

namespace aptward::archive {

/// What became of files that were damaged or missing.
struct Mending {
    struct File {
        std::string name, why;
    };
    std::uint64_t missing = 0;         ///< Not held, and not found damaged just now.
    std::uint64_t mended = 0;          ///< Of both: fetched again.
    std::uint64_t unmended = 0;        ///< Of both: no source gave it.
    std::uint64_t unneeded = 0;        ///< Damaged, and no release that is kept names it.
    std::vector<File> unmended_files;  ///< The first of those.
};

/// Inverses: adds the fields to an object, or reads what is there.
void add_to(nlohmann::json& result, const Mending& mending);
Mending mending_of(const nlohmann::json& result);
/// What a sentence goes on with: "; 1 missing; 1 fetched again". Empty when all was right.
std::string to_text(const Mending& mending);

/// Looks at what was set aside and has not come again, at the indexes of what is served, and at
/// what clients got within `hot_for` of what is served or kept, and gets what is not held.
/// `damaged`: names of blobs that were found damaged just now. On a job's thread.
/// Fails with storage.
Result<Mending> mend(Services& services, Repair& repair, std::chrono::seconds hot_for,
                     const std::vector<std::string>& damaged, const std::function<bool()>& goes_on);

inline constexpr const char* kRepair = "repair";

/// mend() as a job, without reading what is held: cheap enough to be tried often.
Jobs::Kind make_repair(Services& services, ServedArchives archives, std::chrono::seconds hot_for);

/// What the last scrub or repair that came to its end left.
struct LastLook {
    SystemTime at{};
    Mending mending;
};
/// Nothing when there was none yet. Any thread.
std::optional<LastLook> last_look(const Jobs& jobs);

/// What no source gave is asked for again so long after the last time.
inline constexpr std::chrono::minutes kMendAgain{15};

}  // namespace aptward::archive
