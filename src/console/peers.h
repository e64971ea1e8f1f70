// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Other nodes over the API. Private to console/.

#include <nlohmann/json.hpp>

#include "peer/peer.h"

namespace aptward::console {

/// What the API shows of one source: an upstream, or a peer.
nlohmann::json to_json(const fetch::SourceReport& source);

/// This node's identity, its peers, and what it gave to others. Any loop.
http::Async<nlohmann::json> describe(peer::Peers& peers);

}  // namespace aptward::console
