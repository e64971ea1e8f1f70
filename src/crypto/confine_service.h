// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What a process that speaks to strangers over the network may do besides.

#include <filesystem>

#include "base/result.h"

namespace aptward::crypto {

/// From now on this process changes no file but below `folder`, reads none but those and the
/// system's libraries, starts no program, sends no signal to others, has no rights of root and uses
/// 4 GB of memory and 4096 descriptors at most (Landlock, seccomp, limits). The network stays. It
/// cannot be undone. For a process with one thread; those it makes later inherit it.
/// Fails with unavailable where the kernel cannot: then nothing that strangers send may be read.
Result<void> confine_service(const std::filesystem::path& folder);

}  // namespace aptward::crypto
