// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The options that say which part of an archive is meant. Private to cli/.

#include <memory>
#include <string>
#include <vector>

#include "archive/selection.h"
#include "base/result.h"

namespace CLI {
class App;
}

namespace aptward::cli {

struct SelectionOptions {
    std::string archive;
    std::vector<std::string> suites;
    archive::Selection selection;
    std::string list_file;

    /// With the names of the list's file among the packages. Fails as reading it does.
    Result<archive::Selection> read() const;
};
/// The names in a file: one or several a line; what stands behind a '#' is for people. Also what
/// `dpkg --get-selections` prints, without what it says is to be removed.
/// Fails as reading it does, and with malformed when it names none.
Result<std::vector<std::string>> read_package_list(const std::string& file);
void add_selection_options(CLI::App& command, SelectionOptions& options);

}  // namespace aptward::cli
