// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What is held as a plain folder that any web server can serve. docs/formats/export.md.

#include <filesystem>
#include <string>
#include <vector>

#include "archive/selection.h"
#include "catalog/catalog.h"
#include "store/private_marks.h"
#include "store/store.h"

namespace aptward::archive {

struct ExportRequest {
    std::string archive;
    std::vector<std::string> suites;  ///< Empty: all that are held.
    Selection selection;
    std::vector<KnownSuite> known;  ///< Of the configuration.
    std::filesystem::path folder;
};

struct ExportReport {
    std::vector<std::string> suites;
    std::uint64_t files = 0, bytes = 0;  ///< That are there now, of the chosen ones.
    std::uint64_t placed = 0, removed = 0;
    std::string_view way;              ///< "reflinks", "hard links", "copies"
    std::vector<std::string> missing;  ///< Chosen, listed, and not held.
};
/// One sentence, and as JSON.
std::string to_text(const ExportReport& report);
std::string to_json(const ExportReport& report);

/// Brings `folder` to the current generations of the suites. Whoever reads it at any time finds a
/// suite whole, as it was before or as it is now: pool files come first, then the suite's folder is
/// exchanged at once. What only the generation before needs stays until the next export.
///
/// Crash promise: a crash leaves each suite as it was or as it is to be, also after a power cut;
/// the next export removes what was left over.
/// Fails with not_found for what is not held, stale for a folder with something else in it or when
/// another export works on it, malformed, storage.
Result<ExportReport> export_held(const catalog::ArchiveView& view, const store::Blobs& blobs,
                                 const store::PrivateMarks& marks, const ExportRequest& request);

}  // namespace aptward::archive
