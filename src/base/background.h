// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Threads that take what others leave.

namespace aptward {

/// The calling thread gets the processors and the disk when nobody else wants them, from now on.
/// Where that is forbidden it stays as it is: that costs latency and nothing else.
void go_to_background();

/// The same for a thread that somebody waits for: it comes after the others where they are short of
/// processors or of the disk, and never stands still.
void step_back();

}  // namespace aptward
