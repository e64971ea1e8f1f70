// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The [[swarm]] table. Private to node/.

#include "node/config_reader.h"
#include "swarm/process.h"

namespace aptward::node {

void read_swarm(Reader& outer, const toml::table& table, Config& config,
                std::vector<Mistake>& mistakes);

/// What the process is to be like; nothing where the configuration wants none.
std::optional<swarm::Process::Settings> swarm_process_of(const Config& config);

}  // namespace aptward::node
