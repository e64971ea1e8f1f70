// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// When a blob was last used. Private to store/.

#include "base/clock.h"
#include "base/file.h"

struct stat;

namespace aptward::store {

/// Whether a use at `now` is noted anew, after one that was noted at `noted`: at most once an hour.
/// One of a clock that was ahead of this one's is.
bool is_to_be_noted(SystemTime noted, SystemTime now);

/// Notes in the file's access time that it is used now.
void note_use(const Fd& file, const struct ::stat& status);

}  // namespace aptward::store
