// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward manual`: prints the manual's pages or writes them to a folder. Hidden: it is for the
// build of a package.
#include "cli/manual.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/commands.h"

namespace aptward::cli {
namespace {

struct Options {
    std::string page = "aptward";
    std::string folder;
    bool is_list = false;
    bool is_example = false;
};

// SOURCE_DATE_EPOCH makes two builds of one source alike.
std::string date_of_pages()
{
    std::time_t seconds = std::time(nullptr);
    if (const char* fixed = std::getenv("SOURCE_DATE_EPOCH"))
        seconds = parse_number<std::time_t>(fixed).value_or(seconds);
    return fmt::format("{:%Y-%m-%d}", fmt::gmtime(seconds));
}

Result<void> write_pages(const std::vector<ManualPage>& pages, const std::string& folder)
{
    const std::filesystem::path below = folder;
    TRY_VOID(make_directories(below));
    for (const ManualPage& page : pages)
        TRY_VOID(write_file_durably(below / page.file(), page.roff));
    return {};
}

int manual(const CommandWords& program, const Options& options)
{
    if (options.is_example) {
        std::fputs(example_configuration().c_str(), stdout);
        return kOk;
    }
    const std::vector<ManualPage> pages = make_manual(program, date_of_pages());
    if (options.is_list) {
        for (const ManualPage& page : pages)
            fmt::print("{}\n", page.file());
        return kOk;
    }
    if (!options.folder.empty()) {
        const auto written = write_pages(pages, options.folder);
        if (!written)
            std::fprintf(stderr, "aptward: %s\n", written.error().message().c_str());
        return written ? kOk : kUnknown;
    }
    for (const ManualPage& page : pages)
        if (options.page == page.name || options.page == page.file()) {
            std::fputs(page.roff.c_str(), stdout);
            return kOk;
        }
    std::fprintf(stderr, "aptward: the manual has no page \"%s\"; see aptward manual --list\n",
                 options.page.c_str());
    return kUsage;
}

}  // namespace

void add_manual(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("manual", "Print the manual's pages for man");
    command->group("");
    command->add_option("page", options->page, "Page, such as aptward-status");
    command->add_flag("--list", options->is_list, "List the pages");
    command->add_option("--write", options->folder, "Write all pages into this folder");
    command->add_flag("--example", options->is_example,
                      "Print a configuration with every key, commented out");
    command->callback([&app, &action, options] {
        action = [&app, options] { return manual(describe(app), *options); };
    });
}

}  // namespace aptward::cli
