// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward scrub`: rehash everything held. Works beside a running node: blobs are immutable.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"
#include "store/store.h"

namespace aptward::cli {
namespace {

int scrub(const std::string& file, bool is_json)
{
    const auto config = load_config(file);
    if (!config)
        return kUsage;
    auto blobs = store::Blobs::open(config->state);
    if (!blobs) {
        std::fprintf(stderr, "aptward: %s\n", blobs.error().message().c_str());
        return kUnknown;
    }
    const bool shows_progress = ::isatty(STDERR_FILENO) == 1;
    SteadyTime shown{};
    const SteadyTime started = steady_now();
    const auto report = (*blobs)->scrub([&](std::uint64_t done, std::uint64_t total) {
        const SteadyTime now = steady_now();
        if (!shows_progress || now - shown < std::chrono::milliseconds(200))
            return true;
        shown = now;
        const double seconds = std::chrono::duration<double>(now - started).count();
        const double rate = static_cast<double>(done) / std::max(seconds, 0.001);
        fmt::print(stderr, "\r{} of {}, {}/s, {:.0f} s left   ", human_size(done),
                   human_size(total), human_size(static_cast<std::uint64_t>(rate)),
                   static_cast<double>(total - std::min(done, total)) / std::max(rate, 1.0));
        return true;
    });
    if (shows_progress)
        std::fputs("\n", stderr);
    if (!report) {
        std::fprintf(stderr, "aptward: %s\n", report.error().message().c_str());
        return kUnknown;
    }
    if (is_json)
        fmt::print("{}\n", nlohmann::json({{"checked", report->checked},
                                           {"bytes", report->checked_bytes},
                                           {"damaged", report->damaged_names}})
                               .dump());
    else
        fmt::print(
            "checked {} blobs, {}: {} damaged{}\n", report->checked,
            human_size(report->checked_bytes), report->damaged,
            report->damaged == 0 ? "" : ", set aside; they are fetched again when asked for");
    return report->damaged == 0 ? kOk : kNo;
}

}  // namespace

void add_scrub(CLI::App& app, Action& action)
{
    auto file = std::make_shared<std::string>();
    auto is_json = std::make_shared<bool>(false);
    CLI::App* command = app.add_subcommand("scrub", "Check everything held against its hash");
    add_config_option(*command, *file);
    command->add_flag("--json", *is_json, "Print the facts as JSON");
    command->callback(
        [&action, file, is_json] { action = [file, is_json] { return scrub(*file, *is_json); }; });
}

}  // namespace aptward::cli
