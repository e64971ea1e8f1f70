// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Scrub as a job: rehashes everything held, at a bounded rate, from where it was interrupted (R26).

#include "archive/jobs.h"
#include "archive/mending.h"
#include "store/store.h"

namespace aptward::archive {

inline constexpr const char* kScrub = "scrub";

/// Options of a scrub as the job keeps them. 0: as fast as the disk gives.
std::string scrub_options(std::uint64_t rate_bytes_per_s);

/// What was found, as `aptward scrub --json` and the job's result show it.
std::string to_json(const store::Blobs::ScrubReport& report, const Mending& mending);
/// The beginning of a sentence about it.
std::string to_text(const store::Blobs::ScrubReport& report);

/// What is found damaged is fetched again at once, and at the end what is missing: mend().
/// `services` outlive the jobs.
Jobs::Kind make_scrub(Services& services, ServedArchives archives, std::chrono::seconds hot_for);

}  // namespace aptward::archive
