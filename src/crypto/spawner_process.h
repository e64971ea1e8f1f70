// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The code that runs on the other side of the fork. Private to crypto/.

#include <sys/types.h>

namespace aptward::crypto {

/// The life of the spawner process: takes requests from `socket` until its other end is closed
/// or `parent` is gone. Call right after fork, in the child.
[[noreturn]] void serve_spawn_requests(int socket, ::pid_t parent);

}  // namespace aptward::crypto
