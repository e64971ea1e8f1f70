// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The releases that lie in a folder of foreign stock, and whose they are. Private to archive/.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/handed_in.h"
#include "archive/import_folder.h"

namespace aptward::archive {

/// The suite of a release that lies in `folder` ("/srv/mirror/archive.example/debian/dists/stable")
/// when that is where a mirror keeps what is below `prefix`; else nothing. Pure.
std::optional<std::string> suite_below(std::string_view folder, const Prefix& prefix);
/// What stands behind the last "dists/", wherever that is. Pure.
std::optional<std::string> suite_behind_dists(std::string_view folder);

/// One that lies there.
struct FoundRelease {
    std::string path;  ///< Of its InRelease, or its Release.
    HandedIn handed;   ///< Without an archive when none takes it.
    trust::Verdict refusal;
    SystemTime date{};
};

/// What is asked of the releases of a folder.
struct ReleaseSearch {
    const StockFolder& folder;
    const StockListing& listing;
    std::vector<std::shared_ptr<Archive>> archives;  ///< That may take them.
    bool is_named = false;                           ///< An operator has chosen the archive.
    std::string origin;
};

/// Each with the archive that it is for: the one whose hosts stand in its path, else the only one
/// whose policy accepts it. Those with an archive first, the newest first. Nothing is changed.
/// On a job's thread.
/// Fails with stale when it was told to stop, unavailable.
Result<std::vector<FoundRelease>> find_releases(const Services& services, const Jobs::Run& run,
                                                const ReleaseSearch& search);

}  // namespace aptward::archive
