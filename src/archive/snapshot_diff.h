// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What changed between two moments of an archive: packages, by their names and versions.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "archive/past.h"
#include "base/digest.h"
#include "base/result.h"
#include "store/store.h"

namespace aptward::archive {

/// The newest version of one package in one state of a suite.
struct PackageState {
    std::string version, source;
    Digest file;
};
/// By name and architecture.
using PackageStates = std::map<std::pair<std::string, std::string>, PackageState>;

/// Adds what a Packages index lists. Fails with malformed as the scans of deb/ do. Pure.
Result<void> add_packages(std::string_view index, PackageStates& to);

struct PackageChange {
    enum class Kind { added, removed, upgraded, downgraded, rebuilt };
    Kind kind = Kind::added;
    std::string package, architecture;
    std::string from, to;  ///< Versions; empty where it is not there.
    std::string source;
    std::uint64_t bytes = 0;  ///< Of the later file; of the earlier one when it was removed.
    Digest file;              ///< The same one's.
    std::string changelog;    ///< What its .deb says of the change, if that is held.
};
/// "added", "removed", ...
std::string_view to_string(PackageChange::Kind kind);

/// In the order of the names. `rebuilt`: other bytes under one version. Pure.
std::vector<PackageChange> compare(const PackageStates& before, const PackageStates& after);

/// The entries of a changelog above that of version `since`, as Debian writes them; about 4 KiB at
/// most. Pure. Spec: Debian policy 4.4.
std::string changelog_since(std::string_view changelog, std::string_view since);

struct SuiteDiff {
    std::string suite;
    std::string from, to;  ///< Release ids; empty where there is none.
    std::vector<PackageChange> changes;
    /// Indexes that are not compared: of one side no form is held.
    std::vector<std::string> unread;
    std::string lost;  ///< Nothing is compared, because; empty: something is.
};

/// What stands between two views. Reads indexes, and .debs for at most `changelogs` changes: call
/// on a worker. Fails with malformed, storage.
Result<std::vector<SuiteDiff>> diff_views(const store::Blobs& blobs, const PastView& before,
                                          const PastView& after, std::size_t changelogs);

}  // namespace aptward::archive
