// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// When a blob was last used. Private to store/.

#include "base/file.h"

struct stat;

namespace aptward::store {

/// Notes in the file's access time that it is used now; at most once an hour.
void note_use(const Fd& file, const struct ::stat& status);

}  // namespace aptward::store
