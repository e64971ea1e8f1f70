// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What is published as torrents, over the API. Private to console/.

#include <nlohmann/json.hpp>

#include "peer/peer.h"

namespace aptward::console {

/// This node's torrents, and those that its peers say they publish. Any loop.
http::Async<nlohmann::json> describe_torrents(peer::Peers& peers);

}  // namespace aptward::console
