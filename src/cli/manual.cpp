// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward manual`: prints the manual's pages, or writes everything that is installed below
// /usr/share. Hidden: it is for the build of a package.
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
    std::string share;
    bool is_list = false;
};

// SOURCE_DATE_EPOCH makes two builds of one source alike.
std::string date_of_pages()
{
    std::time_t seconds = std::time(nullptr);
    if (const char* fixed = std::getenv("SOURCE_DATE_EPOCH"))
        seconds = parse_number<std::time_t>(fixed).value_or(seconds);
    return fmt::format("{:%Y-%m-%d}", fmt::gmtime(seconds));
}

Result<void> write_below(const std::filesystem::path& file, const std::string& text)
{
    TRY_VOID(make_directories(file.parent_path()));
    return write_file_durably(file, text);
}

// The folders are where man, bash, zsh and fish look for what packages bring along.
Result<void> write_share(const CommandWords& program, const std::filesystem::path& share)
{
    for (const ManualPage& page : make_manual(program, date_of_pages()))
        TRY_VOID(
            write_below(share / fmt::format("man/man{}", page.section) / page.file(), page.roff));
    TRY_VOID(write_below(share / "bash-completion/completions/aptward",
                         completion_script(program, "bash")));
    TRY_VOID(
        write_below(share / "zsh/vendor-completions/_aptward", completion_script(program, "zsh")));
    TRY_VOID(write_below(share / "fish/vendor_completions.d/aptward.fish",
                         completion_script(program, "fish")));
    return write_below(share / "doc/aptward/examples/aptward.toml", example_configuration());
}

int manual(const CommandWords& program, const Options& options)
{
    if (!options.share.empty()) {
        const auto written = write_share(program, options.share);
        if (!written)
            std::fprintf(stderr, "aptward: %s\n", written.error().message().c_str());
        return written ? kOk : kUnknown;
    }
    const std::vector<ManualPage> pages = make_manual(program, date_of_pages());
    if (options.is_list) {
        for (const ManualPage& page : pages)
            fmt::print("{}\n", page.file());
        return kOk;
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
    command->add_option("--write", options->share,
                        "Write pages, completions and an example configuration into this folder");
    command->callback([&app, &action, options] {
        action = [&app, options] { return manual(describe(app), *options); };
    });
}

}  // namespace aptward::cli
