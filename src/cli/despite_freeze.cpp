// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/despite_freeze.h"

#include <fmt/format.h>

#include "base/text.h"
#include "catalog/timeline.h"

namespace aptward::cli {

void add_despite_freeze(CLI::App& command, bool& is_despite_freeze)
{
    command.add_flag("--despite-freeze", is_despite_freeze,
                     "Take what is current of an archive that is frozen to an earlier moment");
}

Result<void> check_thawed(const std::map<std::string, catalog::ArchiveDecisions>& decisions,
                          const std::string& archive)
{
    const auto decided = decisions.find(archive);
    if (decided == decisions.end() || !decided->second.freeze)
        return {};
    return fail(Errc::stale,
                fmt::format("{} is frozen to {}, and what is current may be newer: thaw it first, "
                            "or take what is current all the same with --despite-freeze",
                            printable(archive), catalog::format_stamp(decided->second.freeze->at)));
}

}  // namespace aptward::cli
