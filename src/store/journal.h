// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The journal: operator decisions and trust floors, append-only, one checksummed JSON text a line.
//
// Crash promise: append() returning success means a power cut does not lose the entry. A line that
// a crash left incomplete is cut off at the next open; a damaged line further up is reported and
// skipped. Written down in docs/formats/store.md.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace aptward::store {

/// Lives on the state thread.
class Journal {
public:
    struct Opened;

    /// Appends one JSON text (one line, no newline in it) and syncs. Fails with storage; what came
    /// of the line is then cut off again, or the next one would be glued to it and lost with it.
    Result<void> append(std::string_view json);

private:
    friend Result<Opened> open_journal(const std::filesystem::path& file);
    Journal(Fd file, std::uint64_t bytes) : file_(std::move(file)), bytes_(bytes) {}
    Result<void> cut_off_rest();

    Fd file_;
    std::uint64_t bytes_;  ///< Of whole, synced lines.
    bool has_rest_ = false;
};

struct Journal::Opened {
    Journal journal;
    std::vector<std::string> entries;  ///< In the order written.
    std::size_t damaged_lines = 0;
};

/// The bytes of a journal's file.
struct JournalText {
    std::vector<std::string> entries;  ///< In the order written.
    std::size_t damaged_lines = 0;
    std::size_t whole_bytes = 0;  ///< Up to the last line end: what follows was never acknowledged.
};
/// Pure.
JournalText parse_journal(std::string_view bytes);

/// Only looks: the entries of a journal that a node may be writing to. No file: no entries.
Result<std::vector<std::string>> read_journal(const std::filesystem::path& file);

/// Creates the file when there is none.
Result<Journal::Opened> open_journal(const std::filesystem::path& file);

}  // namespace aptward::store
