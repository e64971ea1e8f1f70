// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward export`: what is held as a plain folder. Done here, not in the node, which may write
// nowhere but to its state folder.
#include "cli/export.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "archive/export.h"
#include "archive/unknown_archive.h"
#include "base/text.h"
#include "catalog/proof.h"
#include "cli/commands.h"
#include "cli/despite_freeze.h"
#include "cli/known_archive.h"

namespace aptward::cli {
namespace {

struct Options : ExportOptions {
    Reach reach;
};

int failed(const Error& error)
{
    std::fprintf(stderr, "aptward: %s\n", error.message().c_str());
    return error.code() == Errc::storage ? kUnknown : kNo;
}

Result<catalog::Held> read_state(const node::Config& config)
{
    std::error_code none;
    if (!std::filesystem::is_directory(config.state / "blobs", none))
        return fail(Errc::not_found,
                    fmt::format("no state at {} that this user may read: name the node's folder "
                                "with --state, and run this as root or as the node's user",
                                config.state.string()));
    TRY_VOID(store::check_format(config.state));
    return catalog::read_held(config.state);
}

Result<archive::ExportReport> export_from(const node::Config& config, const catalog::Held& held,
                                          archive::ExportRequest request, bool is_despite_freeze)
{
    TRY(const auto blobs, store::Blobs::open(config.state));
    store::PrivateMarks marks;
    TRY_VOID(marks.open(config.state));
    if (!is_despite_freeze)
        TRY_VOID(check_thawed(held.decisions, request.archive));
    for (const auto& settings : config.archives)
        if (settings.id == request.archive)
            request.known = settings.known_suites;
    const auto found = held.archives.find(request.archive);
    if (found == held.archives.end())
        return fail(Errc::not_found, fmt::format("nothing is held of an archive \"{}\"",
                                                 printable(request.archive)));
    return archive::export_held(found->second, *blobs, marks, request);
}

}  // namespace

int export_to(const node::Config& config, const ExportOptions& options)
{
    auto selection = options.chosen.read();
    if (!selection) {
        std::fprintf(stderr, "aptward: %s\n", selection.error().message().c_str());
        return kUsage;
    }
    std::error_code error;
    archive::ExportRequest request{options.chosen.archive,
                                   options.chosen.suites,
                                   std::move(*selection),
                                   {},
                                   std::filesystem::absolute(options.folder, error)};
    const auto held = read_state(config);
    if (!held)
        return failed(held.error());
    if (!is_known(config, *held, request.archive)) {
        std::fprintf(stderr, "aptward: %s\n", archive::unknown_archive(request.archive).c_str());
        return kUsage;
    }
    const auto report = export_from(config, *held, std::move(request), options.is_despite_freeze);
    if (!report)
        return failed(report.error());
    fmt::print("{}\n", options.is_json ? to_json(*report) : to_text(*report));
    return report->missing.empty() ? kOk : kNo;
}

void add_export(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "export", "Write what is held as a folder that any web server can serve");
    add_reach_options(*command, options->reach, ReadsState::yes);
    add_selection_options(*command, options->chosen);
    command->add_option("--to", options->folder, "The folder: empty, or of an earlier export")
        ->required();
    add_despite_freeze(*command, options->is_despite_freeze);
    command->add_flag("--json", options->is_json, "Print the result as a line of JSON");
    command->callback([&action, options] {
        action = [options] {
            auto config = load_config_to_ask(options->reach);
            if (!config)
                return kUsage;
            apply(options->reach, *config);
            return export_to(*config, *options);
        };
    });
}

}  // namespace aptward::cli
