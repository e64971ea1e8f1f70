// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward deliveries`: who got this? Reads the record's files, so it works with the node down.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>

#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"
#include "console/deliveries.h"

namespace aptward::cli {
namespace {

struct Options {
    Reach reach;
    bool is_json = false;
    store::DeliveryQuery query;
    std::string since, until;
};

std::string text_of(std::int64_t time_ms)
{
    const std::time_t seconds = time_ms / 1000;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[sizeof "2026-04-30T10:15:00"];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    return fmt::format("{}.{:03}Z", text, time_ms % 1000);
}

void print(const store::DeliveriesFound& found)
{
    for (const store::KeptDelivery& delivery : found.deliveries)
        fmt::print("{}  {:<15} {} {:>8} {:<8} {}/{}  {:.16}  {}\n", text_of(delivery.time_ms),
                   delivery.client, delivery.status, human_size(delivery.bytes_sent),
                   delivery.is_complete ? "complete" : "cut", delivery.archive,
                   printable(delivery.path), delivery.digest,
                   delivery.source.empty() ? "held" : delivery.source);
    if (found.is_cut)
        fmt::print(stderr, "there are older ones: --limit shows more\n");
    const auto& reading = found.reading;
    if (reading.lost > 0)
        fmt::print(stderr, "{} deliveries of this time could not be recorded\n", reading.lost);
    if (reading.damaged_bytes > 0 || reading.unreadable > 0)
        fmt::print(stderr, "{} bytes of the record are damaged; {} deliveries cannot be read\n",
                   reading.damaged_bytes, reading.unreadable);
    if (found.foreign_bytes > 0)
        fmt::print(stderr,
                   "{} bytes of the record are of another version of aptward, which reads them\n",
                   found.foreign_bytes);
}

int deliveries(Options options)
{
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const std::int64_t now = to_unix(system_now());
    if (!options.since.empty()) {
        const auto since = parse_moment(options.since, now);
        if (!since)
            return wrong_moment("--since", options.since);
        options.query.since_ms = *since * 1000;
    }
    if (!options.until.empty()) {
        const auto until = parse_moment(options.until, now);
        if (!until)
            return wrong_moment("--until", options.until);
        options.query.until_ms = *until * 1000;
    }
    options.query.digest = to_lower(options.query.digest);
    const auto found = store::find_deliveries(config->state / "deliveries", options.query);
    if (!found) {
        std::fprintf(stderr, "aptward: %s\n", found.error().message().c_str());
        return kUnknown;
    }
    if (options.is_json)
        std::fputs(console::to_json(*found).c_str(), stdout);
    else
        print(*found);
    return found->deliveries.empty() ? kNo : kOk;
}

}  // namespace

void add_deliveries(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("deliveries", "Show who got what, newest last");
    add_reach_options(*command, options->reach, ReadsState::yes);
    command->add_flag("--json", options->is_json, "Print the facts as JSON");
    command->add_option("--digest", options->query.digest,
                        "Only these bytes: SHA-256 in hexadecimal, or its beginning");
    command->add_option("--path", options->query.path,
                        "Only this path, or paths that end in /PATH: a file's name will do");
    command->add_option("--client", options->query.client, "Only this client's address");
    command->add_option("--since", options->since, "From then on: 2026-04-30 (UTC), or 2h ago");
    command->add_option("--until", options->until, "Before then");
    command->add_option("--limit", options->query.limit, "The newest so many (default 1000)");
    command->callback([&action, options] { action = [options] { return deliveries(*options); }; });
}

}  // namespace aptward::cli
