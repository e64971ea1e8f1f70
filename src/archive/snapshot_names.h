// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Requests for a moment: below this node's own address, and at the vendors' snapshot services.
// Pure.

#include <optional>
#include <string>
#include <string_view>

#include "archive/settings.h"

namespace aptward::archive {

struct SnapshotName {
    std::string host;  ///< Of the archive that is meant; empty: `archive` has its id.
    std::string path;  ///< "/debian": where that host has it.
    std::string archive;
    std::string moment;  ///< A stamp or a name.
    std::string rest;    ///< Below the archive.
};

/// "/snapshot/MOMENT/ARCHIVE/REST", as this node serves it.
std::optional<SnapshotName> read_own_snapshot(std::string_view path);

/// Where the moment stands in the URL of a snapshot host; as apt has it.
inline constexpr std::string_view kSnapshotId = "@SNAPSHOTID@";
/// Of a URL with that as one of its folders.
SnapshotHostSettings read_snapshot_host(std::string_view url);
/// What a vendor says to apt of its snapshot service: for the archive of this host and path. Empty
/// when none is known.
std::string vendors_snapshot_host(std::string_view host, std::string_view path);

/// "snapshot.ubuntu.com/ubuntu/MOMENT/REST" and "snapshot.debian.org/archive/debian/MOMENT/REST".
std::optional<SnapshotName> read_vendor_snapshot(std::string_view host, std::string_view path);

}  // namespace aptward::archive
