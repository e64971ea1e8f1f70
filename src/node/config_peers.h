// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The [[peer]] tables of the configuration. Private to node/.

#include <vector>

#include "node/config_reader.h"

namespace aptward::node {

/// Into `config.peers`; after the addresses that the node listens on are read.
void read_peers(Reader& outer, const toml::table& table, Config& config,
                std::vector<Mistake>& mistakes);

}  // namespace aptward::node
