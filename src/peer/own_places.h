// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Where this node may be reached, as it sees itself. Private to peer/.

#include <string>
#include <vector>

#include "swarm/messages.h"

namespace aptward::peer {

/// Addresses of this machine that others of such a net may reach, and `seen`, which they see
/// (empty: nobody has said), each with `port`; at most kMostPlaces, `seen` first.
std::vector<swarm::Place> own_places(swarm::Net net, std::uint16_t port, const std::string& seen);

}  // namespace aptward::peer
