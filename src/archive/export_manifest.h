// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What an export has put into its folder: so that the next one knows what may go, and touches
// nothing that is not its own. Private to archive/. docs/formats/export.md.

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "base/result.h"

namespace aptward::archive {

struct ExportManifest {
    struct Suite {
        std::string generation;
        std::set<std::string> pool;      ///< Paths below the folder, of this generation.
        std::set<std::string> previous;  ///< Of the one before: kept for whoever reads that still.
        std::set<std::string> by_hash;   ///< Paths below the suite's folder.
        /// False from before an export changes anything to its end: whoever finds it so does not
        /// know which of all this readers have.
        bool is_whole = true;
    };
    std::string archive;
    std::map<std::string, Suite> suites;

    /// All pool files.
    std::set<std::string> files() const;
};

/// An empty one for an empty folder, or none. Fails with malformed for a damaged one, stale for a
/// folder with something else in it, storage.
Result<ExportManifest> read_manifest(const std::filesystem::path& folder);
/// Durable when it returns.
Result<void> write_manifest(const std::filesystem::path& folder, const ExportManifest& manifest);

/// Where the export keeps what is not for readers.
std::filesystem::path own_folder(const std::filesystem::path& folder);

/// The text of the manifest; inverses. Fails with malformed, also for a path that leaves the
/// folder.
std::string to_json(const ExportManifest& manifest);
Result<ExportManifest> parse_manifest(const std::string& text);

}  // namespace aptward::archive
