// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The journal: operator decisions and trust floors, append-only, one checksummed JSON text a line.
//
// Crash promise: append() returning success means a power cut does not lose the entry. A line that
// a crash left incomplete is cut off at the next open; a damaged line further up is mended from the
// copy that the caller has, or else reported and skipped. Written down in docs/formats/store.md.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace aptward::store {

/// What each line holds, in the order written; empty where the line is damaged.
using JournalLines = std::vector<std::string>;
/// Without the damaged ones.
std::vector<std::string> entries_of(const JournalLines& lines);

/// Lives on the state thread.
class Journal {
public:
    struct Opened;

    /// Appends one JSON text (one line, no newline in it) and syncs. Fails with storage; what came
    /// of the line is then cut off again, or the next one would be glued to it and lost with it.
    Result<void> append(std::string_view json);

private:
    friend Result<Opened> open_journal(const std::filesystem::path& file, const JournalLines& copy);
    Journal(Fd file, std::uint64_t bytes, std::optional<Error> unmended)
        : file_(std::move(file)), bytes_(bytes), unmended_(std::move(unmended))
    {
    }
    Result<void> cut_off_rest();

    Fd file_;
    std::uint64_t bytes_;  ///< Of whole, synced lines.
    bool has_rest_ = false;
    const std::optional<Error> unmended_;  ///< Why the file has not what was read from its copy.
};

struct Journal::Opened {
    Journal journal;
    JournalLines lines;
    std::size_t mended_lines = 0;  ///< Damaged or gone, and back from the copy.
};

/// The bytes of a journal's file.
struct JournalText {
    JournalLines lines;
    std::size_t whole_bytes = 0;  ///< Up to the last line end: what follows was never acknowledged.
};
/// Pure.
JournalText parse_journal(std::string_view bytes);

/// Puts back what is damaged or missing at the end, and gives the number of these lines. `copy` has
/// the first lines of the journal, or all; one that has another text for a whole line is of another
/// journal, and gives nothing. Pure.
std::size_t mend(JournalLines& lines, const JournalLines& copy);

/// Only looks: the entries of a journal that a node may be writing to. No file: no entries.
Result<std::vector<std::string>> read_journal(const std::filesystem::path& file);

/// Creates the file when there is none. One that was mended from `copy` is written anew; the
/// damaged file stays beside it, as "journal.damaged". Where that cannot be written it is as it
/// was, and takes no entry: one behind a gap would be of another journal.
Result<Journal::Opened> open_journal(const std::filesystem::path& file,
                                     const JournalLines& copy = {});

}  // namespace aptward::store
