// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Exporting, for two commands. Private to cli/.

#include <string>

#include "cli/selection_options.h"
#include "node/config.h"

namespace aptward::cli {

struct ExportOptions {
    SelectionOptions chosen;
    std::string folder;
    bool is_json = false;
    bool is_despite_freeze = false;
};

/// Exports from the state folder of `config` and prints what was done; gives the exit status.
int export_to(const node::Config& config, const ExportOptions& options);

}  // namespace aptward::cli
