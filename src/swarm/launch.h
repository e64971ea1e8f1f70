// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// How the process begins: with a socket as number 3, and nothing else of the node's. Private to
// swarm/.

#include <sys/types.h>

#include <filesystem>

#include "base/file.h"
#include "base/result.h"

namespace aptward::swarm {

struct Launched {
    Fd socket;  ///< The node's end.
    ::pid_t pid = 0;
};

/// Makes `staging` when it is missing, and starts `program` with it as its only folder. It is to
/// end when its socket does, and is killed with the thread that calls this. Fails with unavailable,
/// storage.
Result<Launched> launch(const std::filesystem::path& program, const std::filesystem::path& staging);

}  // namespace aptward::swarm
