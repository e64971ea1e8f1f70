// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What the state remembers of the archives that are served, and who needs which of their releases.
// Private to archive/.

#include <map>
#include <string>
#include <vector>

#include "archive/archive.h"
#include "archive/eviction.h"

namespace aptward::archive {

/// What the state thread knows of the archives that are served.
struct Remembered {
    catalog::SuiteStates suites;
    std::map<std::string, catalog::ArchiveDecisions> decisions;  ///< Of none that is not served.
    std::vector<RingSettings> rings;                             ///< The same for all.
};

/// Blocks on the state thread.
Remembered remember(Services& services, const FindArchive& find_archive);

/// Who needs a release of `suite`, which is one of `archive`, at `now`: what a ring comes to later
/// is needed as what it has. Pure.
Need need_of(const Remembered& remembered, const std::string& archive,
             const catalog::SuiteState& suite, const catalog::Published& published, SystemTime now);

}  // namespace aptward::archive
