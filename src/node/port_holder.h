// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Which program holds a port that the node wants.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aptward::node {

/// Inodes of the sockets that listen on `port`, from the text of /proc/net/tcp or tcp6. Pure.
std::vector<std::string> listening_inodes(std::string_view table, unsigned port);

/// A sentence for "address in use": who holds it, as far as we may see, and what to do: `example`
/// is a line of the configuration that would be right.
std::string in_use_message(const std::string& address, std::string_view example);

}  // namespace aptward::node
