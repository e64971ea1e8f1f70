// SPDX-License-Identifier: GPL-3.0-or-later
#include "catalog/journal_copy.h"

#include <algorithm>

#include "base/log.h"

namespace aptward::catalog {
namespace {

Result<void> put_lines(Sqlite& sqlite, std::size_t from, const store::JournalLines& lines)
{
    TRY_VOID(sqlite.run("DELETE FROM journal_lines WHERE number >= ?",
                        {static_cast<std::int64_t>(from)}));
    for (std::size_t i = from; i < lines.size() && !lines[i].empty(); ++i)
        TRY_VOID(put_in_copy(sqlite, i, lines[i]));
    return {};
}

}  // namespace

store::JournalLines read_copy(Sqlite& sqlite)
{
    store::JournalLines copy;
    bool is_whole = true;
    const auto read = sqlite.query("SELECT number, entry FROM journal_lines ORDER BY number", {},
                                   [&](const Sqlite::Row& row) {
                                       is_whole = is_whole && row.number(0) == std::ssize(copy);
                                       if (is_whole)
                                           copy.push_back(row.text(1));
                                   });
    if (!read)
        log_error("state.failed", {}, read.error().message());
    return copy;
}

Result<void> put_in_copy(Sqlite& sqlite, std::size_t number, const std::string& entry)
{
    return sqlite.run("INSERT OR REPLACE INTO journal_lines VALUES (?, ?)",
                      {static_cast<std::int64_t>(number), entry});
}

Result<void> follow(Sqlite& sqlite, const store::JournalLines& lines,
                    const store::JournalLines& copy)
{
    const auto differ = std::mismatch(lines.begin(), lines.end(), copy.begin(), copy.end());
    if (differ.first == lines.end() && differ.second == copy.end())
        return {};
    TRY_VOID(sqlite.run("BEGIN", {}));
    auto put = put_lines(sqlite, static_cast<std::size_t>(differ.first - lines.begin()), lines);
    const auto ended = sqlite.run(put ? "COMMIT" : "ROLLBACK", {});
    return put ? ended : put;
}

}  // namespace aptward::catalog
