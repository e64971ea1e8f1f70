// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Mirroring as a job: everything that is chosen of some suites is held, fetched and proven as for
// clients. docs/decisions/0021-mirror-jobs.md.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "archive/archive.h"
#include "archive/jobs.h"
#include "archive/selection.h"

namespace aptward::archive {

inline constexpr const char* kMirror = "mirror";

/// What a mirror job is asked for.
struct MirrorRequest {
    std::string archive;
    std::vector<std::string> suites;  ///< Empty: those that the archive has.
    Selection selection;
    std::uint64_t rate_bytes_per_s = 0;
};
/// The JSON that starts one, as POST /api/v1/jobs takes it; inverses.
/// Fails with malformed, naming the key.
Result<MirrorRequest> parse_mirror_request(std::string_view json);
std::string to_json(const MirrorRequest& request);

/// All outlive the jobs.
Jobs::Kind make_mirror(Services& services, FindArchive find_archive);

}  // namespace aptward::archive
