// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What a child that reads hostile bytes may not do (V41). Private to crypto/.

#include <chrono>
#include <filesystem>

#include "base/result.h"

namespace aptward::crypto {

/// Takes from this process the network, root's rights, writing to files, other processes, and more
/// than modest amounts of memory and `compute` of time. It cannot be undone, and programs started
/// from it inherit it. With `creates_files` it may write to files that it makes. For a
/// single-threaded process on its way to exec. 0, or the errno of the step that must not fail.
int confine_this_process(std::chrono::seconds compute, bool creates_files);

/// As see_only(), but below `folder` everything may be made, changed and removed, and what the C
/// library reads to find hosts by name may be read.
Result<void> change_only(const std::filesystem::path& folder);

}  // namespace aptward::crypto
