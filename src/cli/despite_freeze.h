// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What leaves a node beside its clients leaves it as it is current: not while they get an earlier
// state. Private to cli/.

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "base/result.h"
#include "catalog/state.h"

namespace aptward::cli {

/// "--despite-freeze"
void add_despite_freeze(CLI::App& command, bool& is_despite_freeze);

/// Fails with stale when this archive is frozen, naming the moment.
Result<void> check_thawed(const std::map<std::string, catalog::ArchiveDecisions>& decisions,
                          const std::string& archive);

}  // namespace aptward::cli
