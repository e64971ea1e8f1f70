// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The journal's lines in the state database: from there comes back what rots of the journal.
// Private to catalog/. Each blocks on the disk, and fails with storage.

#include <cstddef>
#include <string>

#include "catalog/sqlite.h"
#include "store/journal.h"

namespace aptward::catalog {

/// Up to the first line that the database could not take; what cannot be read is logged.
store::JournalLines read_copy(Sqlite& sqlite);

/// Line `number`, counted from 0.
Result<void> put_in_copy(Sqlite& sqlite, std::size_t number, const std::string& entry);

/// Makes of `copy`, as it was read, one of these lines, up to the first that nobody knows.
Result<void> follow(Sqlite& sqlite, const store::JournalLines& lines,
                    const store::JournalLines& copy);

}  // namespace aptward::catalog
