// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Taking in foreign stock, as a job: another program's cache or mirror, or any folder of packages.
// Names mean nothing there, hashes do. docs/decisions/0025-stock-import.md.

#include "archive/archive.h"
#include "archive/jobs.h"
#include "archive/room.h"

namespace aptward::archive {

inline constexpr const char* kStockImport = "stock-import";

/// `services` outlives the jobs.
Jobs::Kind make_stock_import(Services& services, ServedArchives served, RoomSettings room);

}  // namespace aptward::archive
