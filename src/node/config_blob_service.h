// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The [[blob-service]] table. Private to node/.

#include "node/config_reader.h"

namespace aptward::node {

void read_blob_service(Reader& outer, const toml::table& table, Config& config,
                       std::vector<Mistake>& mistakes);

}  // namespace aptward::node
