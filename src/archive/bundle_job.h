// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Taking in a bundle, as a job: verified whole, then its releases are offered to their suites, then
// what a release of this node proves is stored. docs/formats/bundle.md, "Importing".

#include <string>
#include <vector>

#include "archive/archive.h"
#include "archive/jobs.h"
#include "archive/room.h"
#include "archive/shelf.h"

namespace aptward::archive {

inline constexpr const char* kBundleImport = "bundle-import";

/// Where the packages of a bundle go.
enum class Packages {
    stored,  ///< Into the store, now.
    shelved  ///< Nowhere: each is read from the file when somebody asks for it.
};

/// Options of an import as the job keeps them. `signers`: who may have signed it; none: anybody.
std::string import_options(const std::string& file, const std::vector<std::string>& signers,
                           Packages packages);

/// `services` outlives the jobs.
Jobs::Kind make_bundle_import(Services& services, ServedArchives served, RoomSettings room);

}  // namespace aptward::archive
