// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/selection_options.h"

#include <CLI/CLI.hpp>

#include "base/file.h"
#include "base/text.h"

namespace aptward::cli {
namespace {

constexpr std::uint64_t kLargestList = 512 * 1024;  // what the admin API takes, and some

// "NAME:ARCH<tabs>STATE" is dpkg's.
void add_names(std::string_view line, std::vector<std::string>& names)
{
    const auto parts = words(line.substr(0, line.find('#')));
    if (parts.size() != 2 || line.find('\t') == std::string_view::npos) {
        names.insert(names.end(), parts.begin(), parts.end());
        return;
    }
    if (parts.back() != "deinstall" && parts.back() != "purge")
        names.emplace_back(parts.front().substr(0, parts.front().find(':')));
}

}  // namespace

Result<std::vector<std::string>> read_package_list(const std::string& file)
{
    TRY(const std::string text, read_file(file, kLargestList));
    std::vector<std::string> names;
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        add_names(std::string_view(text).substr(start, end - start), names);
        start = end + 1;
    }
    if (names.empty())
        return fail(Errc::malformed, file + " names no package: write one name a line");
    return names;
}

Result<archive::Selection> SelectionOptions::read() const
{
    archive::Selection read = selection;
    if (list_file.empty())
        return read;
    TRY(const auto names, read_package_list(list_file));
    read.packages.insert(read.packages.end(), names.begin(), names.end());
    return read;
}

void add_selection_options(CLI::App& command, SelectionOptions& options)
{
    command.add_option("archive", options.archive, "Id of the archive")->required();
    command.add_option("suite", options.suites, "Suites; none: those that the archive has");
    const auto add_list = [&command](const char* name, std::vector<std::string>& list,
                                     const char* text) {
        command.add_option(name, list, text)->delimiter(',')->allow_extra_args(false);
    };
    archive::Selection& selection = options.selection;
    add_list("--components", selection.components,
             "Only these, such as main,contrib; none: those that are configured, else all");
    add_list("--architectures", selection.architectures,
             "Only these, such as amd64,arm64; none: those that are configured, else all");
    add_list("--sections", selection.sections, "Only packages of these sections");
    add_list("--packages", selection.packages, "Only these packages, and what they need");
    command.add_option("--list", options.list_file, "File with names of packages, as --packages");
    command.add_flag("--recommends,!--no-recommends", selection.has_recommends,
                     "What packages need includes what they recommend (the default)");
    command.add_flag("--sources", selection.has_sources, "Source packages as well");
    command.add_flag("--contents", selection.has_contents, "Contents indexes as well");
}

}  // namespace aptward::cli
