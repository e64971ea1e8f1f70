// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The process between the node and libtorrent.

#include <filesystem>

#include "base/file.h"

namespace aptward::torrent {

/// Confines the process to `staging`, does what the node says over `control`, and returns when that
/// ends: 0 then, 1 when it was not as it should be, with a sentence on standard error.
int serve(Fd control, const std::filesystem::path& staging);

}  // namespace aptward::torrent
