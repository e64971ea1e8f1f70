// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// For commands that read the state where no node need run. Private to cli/.

#include <string>

#include "catalog/proof.h"
#include "node/config.h"

namespace aptward::cli {

/// Whether the configuration has this archive, or the state holds something of it. Pure.
bool is_known(const node::Config& config, const catalog::Held& held, const std::string& archive);

}  // namespace aptward::cli
