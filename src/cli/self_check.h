// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <string>

namespace aptward::cli {

/// Runs the machine's own `apt-get update` through the node at `address` ("127.0.0.1:3142"), with
/// lists, cache and configuration of its own in a temporary folder: nothing of the machine changes.
/// Returns what to print: one sentence, and apt's own words when it failed. Blocks up to 3 minutes.
std::string check_with_apt(const std::string& address);

}  // namespace aptward::cli
