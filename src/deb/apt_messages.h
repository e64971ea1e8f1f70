// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What apt's library has to say; its stack of messages is global.

#include <string>

namespace aptward::deb {

/// Empties the stack, and gives the errors among it in one line. Warnings are dropped: apt shows
/// them at every update. Not thread-safe.
std::string take_apt_errors();

}  // namespace aptward::deb
