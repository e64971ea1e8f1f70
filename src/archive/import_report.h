// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What an import of foreign stock found and did, for people and programs. Private to archive/.
// Pure.

#include <cstdint>
#include <string>
#include <vector>

#include "archive/import_releases.h"
#include "archive/import_store.h"

namespace aptward::archive {

struct StockReport {
    struct Release {
        std::string path, archive, suite, outcome, code, message;
    };
    std::string folder;
    std::vector<Release> releases;
    std::uint64_t files = 0;
    std::uint64_t stored = 0, held = 0, unnamed = 0;
    std::uint64_t symlinks = 0, others = 0, empty = 0;
    std::uint64_t differs = 0, unreadable = 0, unread_folders = 0;
    std::vector<std::string> differing, unreadables;  ///< The first of them.
    std::uint64_t stored_bytes = 0;
};

StockReport make_report(std::string folder, const StockListing& listing,
                        const std::vector<StockFate>& fates,
                        const std::vector<FoundRelease>& releases);
std::string to_json(const StockReport& report);
/// One sentence.
std::string to_text(const StockReport& report);

}  // namespace aptward::archive
