// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What other machines are told of where clients reach this node. Pure. Private to node/.

#include <string>
#include <vector>

#include "peer/peer.h"

namespace aptward::node {

/// `listening`: names of sockets on which everybody is answered over plain HTTP
/// ("0.0.0.0:3142", "[::]:3142"). The first that other machines reach says the port. "[::]" takes
/// IPv4 too, as Linux does unless it is told otherwise.
peer::Reachable reachable_at(const std::vector<std::string>& listening);

}  // namespace aptward::node
