// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/known_archive.h"

#include <algorithm>

namespace aptward::cli {

bool is_known(const node::Config& config, const catalog::Held& held, const std::string& archive)
{
    return held.archives.count(archive) != 0 ||
           std::any_of(config.archives.begin(), config.archives.end(),
                       [&](const auto& settings) { return settings.id == archive; });
}

}  // namespace aptward::cli
