// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward snapshot`, `freeze` and `thaw`: the states of archives at moments.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "archive/unknown_archive.h"
#include "base/clock.h"
#include "base/text.h"
#include "catalog/timeline.h"
#include "cli/commands.h"
#include "http/message.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

struct Options {
    Reach reach;
    std::string archive, moment, name;
    bool is_json = false;
};

// What changed at each moment, and what it is called: "20260430T120000Z  stable 0123456789ab  kept"
void print_archive(const Json& archive)
{
    std::map<std::string, std::string> lines;
    for (const Json& one : archive.value("generations", Json::array())) {
        std::string& line = lines[one.value("stamp", "")];
        line += fmt::format("{}{} {}", line.empty() ? "" : ", ", one.value("suite", ""),
                            one.value("release", "").substr(0, 12));
    }
    fmt::print("{}\n", archive.value("archive", ""));
    for (const auto& [stamp, line] : lines)
        fmt::print("  {}  {}\n", stamp, line);
    for (const Json& one : archive.value("snapshots", Json::array()))
        fmt::print("  {}  kept as {}\n", one.value("stamp", ""), one.value("name", ""));
    if (lines.empty())
        fmt::print("  nothing was served yet\n");
}

int list(const Options& options)
{
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const auto answer = ask_admin(config->admin, "GET", "/api/v1/snapshots");
    if (!answer) {
        std::fprintf(stderr, "aptward: %s\n", answer.error().message().c_str());
        return kUnknown;
    }
    const Json document = Json::parse(answer->body, nullptr, false);
    if (!document.is_array())
        return kUnknown;
    Json chosen = Json::array();
    for (const Json& archive : document)
        if (options.archive.empty() || archive.value("archive", "") == options.archive)
            chosen.push_back(archive);
    if (chosen.empty() && !options.archive.empty()) {
        std::fprintf(stderr, "aptward: %s\n", archive::unknown_archive(options.archive).c_str());
        return kUsage;
    }
    if (options.is_json) {
        fmt::print("{}\n", chosen.dump(1));
        return kOk;
    }
    for (const Json& archive : chosen)
        print_archive(archive);
    return kOk;
}

std::string summary(const Json& change)
{
    const std::string from = change.value("from", ""), to = change.value("to", "");
    std::string versions = from.empty() ? to : to.empty() ? from : from + " -> " + to;
    return fmt::format("  {:<10} {} {} ({}), {}, source {}\n", change.value("change", ""),
                       change.value("package", ""), versions, change.value("architecture", ""),
                       human_size(change.value("bytes", std::uint64_t{0})),
                       change.value("source", ""));
}

void print_diff(const Json& document)
{
    for (const Json& suite : document.value("suites", Json::array())) {
        const Json changes = suite.value("changes", Json::array());
        if (const std::string lost = suite.value("lost", ""); !lost.empty()) {
            fmt::print("{}: not compared: {}\n", suite.value("suite", ""), printable(lost));
            continue;
        }
        fmt::print("{}: {} change{}\n", suite.value("suite", ""), changes.size(),
                   changes.size() == 1 ? "" : "s");
        for (const Json& change : changes) {
            fmt::print("{}", summary(change));
            std::string_view text = change["changelog"].get_ref<const std::string&>();
            for (; !text.empty(); text.remove_prefix(std::min(text.find('\n') + 1, text.size())))
                fmt::print("      {}\n", text.substr(0, text.find('\n')));
        }
        for (const Json& index : suite.value("unread", Json::array()))
            fmt::print("  {} is not held of both: what it lists is not compared\n",
                       index.get<std::string>());
    }
}

// A moment as people write it, or the name of a snapshot, for the node.
std::string as_asked(const std::string& text)
{
    const auto moment = parse_moment(text, to_unix(system_now()));
    return moment ? catalog::format_stamp(from_unix(*moment)) : text;
}

int diff(const Options& options)
{
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    std::string target = "/api/v1/snapshots/diff?archive=" + http::encode_path(options.archive) +
                         "&from=" + http::encode_path(as_asked(options.moment));
    if (!options.name.empty())
        target += "&to=" + http::encode_path(as_asked(options.name));
    const auto answer = ask_admin(config->admin, "GET", target);
    if (!answer) {
        std::fprintf(stderr, "aptward: %s\n", answer.error().message().c_str());
        return kUnknown;
    }
    const Json document = Json::parse(answer->body, nullptr, false);
    if (answer->status != 200 || !document.is_object()) {
        std::fputs(answer->body.c_str(), stderr);
        return status_of_refusal(*answer);
    }
    if (options.is_json)
        fmt::print("{}\n", document.dump(1));
    else
        print_diff(document);
    return kOk;
}

// Posts an order about the moment that the options name.
int keep(const Options& options)
{
    const auto at = parse_moment(options.moment, to_unix(system_now()));
    if (!at)
        return wrong_moment("the moment", options.moment);
    return send_order(options.reach, "/api/v1/snapshots",
                      {{"archive", options.archive}, {"name", options.name}, {"at", *at}});
}

// A name begins with a letter, and no moment does.
bool is_name(const std::string& text)
{
    return std::isalpha(static_cast<unsigned char>(text.front())) != 0;
}

// At the moment that the options name, or at that of a snapshot; none named: now.
int freeze(const Options& options)
{
    Json request = {{"archive", options.archive}};
    if (!options.moment.empty()) {
        const auto at = parse_moment(options.moment, to_unix(system_now()));
        if (!at && !is_name(options.moment))
            return wrong_moment("--at", options.moment);
        if (at)
            request["at"] = *at;
        else
            request["snapshot"] = options.moment;
    }
    return send_order(options.reach, "/api/v1/freeze", request);
}

int drop(const Options& options)
{
    return send_order(options.reach, "/api/v1/snapshots/drop",
                      {{"archive", options.archive}, {"name", as_asked(options.name)}});
}

int thaw(const Options& options)
{
    return send_order(options.reach, "/api/v1/thaw", {{"archive", options.archive}});
}

CLI::App* add_command(CLI::App& parent, const char* name, const char* description, Options& options)
{
    CLI::App* command = parent.add_subcommand(name, description);
    add_reach_options(*command, options.reach);
    command->add_option("archive", options.archive, "Id of the archive")->required();
    return command;
}

void add_moment(CLI::App& command, Options& options)
{
    command
        .add_option("moment", options.moment,
                    "2026-04-30T12:00:00Z, 20260430T120000Z, or 2h for two hours ago")
        ->required();
}

}  // namespace

void add_snapshot(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* snapshot =
        app.add_subcommand("snapshot", "Show and keep the states of archives at moments");
    snapshot->require_subcommand(1);
    CLI::App* listing = snapshot->add_subcommand("list", "Show at which moments what changed");
    add_reach_options(*listing, options->reach);
    listing->add_option("archive", options->archive, "Only this archive");
    listing->add_flag("--json", options->is_json, "Print the facts as JSON");
    listing->callback([&action, options] { action = [options] { return list(*options); }; });
    CLI::App* comparing =
        add_command(*snapshot, "diff", "Show which packages changed between two moments", *options);
    comparing->add_option("from", options->moment, "A moment, or the name of a snapshot")
        ->required();
    comparing->add_option("to", options->name, "The same; without it what is served now");
    comparing->add_flag("--json", options->is_json, "Print the facts as JSON");
    comparing->callback([&action, options] { action = [options] { return diff(*options); }; });
    CLI::App* pinning =
        add_command(*snapshot, "pin", "Keep what a moment needs on this disk", *options);
    add_moment(*pinning, *options);
    CLI::App* naming =
        add_command(*snapshot, "name", "Keep what a moment needs, and give it a name", *options);
    add_moment(*naming, *options);
    naming->add_option("name", options->name, "Name: also below /snapshot/NAME/")->required();
    for (CLI::App* command : {pinning, naming})
        command->callback([&action, options] { action = [options] { return keep(*options); }; });
    CLI::App* dropping =
        add_command(*snapshot, "drop", "Keep a pinned or named moment no longer", *options);
    dropping->add_option("name", options->name, "Its name, or its moment when it was pinned")
        ->required();
    dropping->callback([&action, options] { action = [options] { return drop(*options); }; });
}

void add_freeze(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command =
        add_command(app, "freeze", "Give all clients the state of a moment, until thaw", *options);
    command->add_option("--at", options->moment,
                        "2026-04-30T12:00:00Z, 2h for two hours ago, or the name of a snapshot; "
                        "without it: now");
    command->callback([&action, options] { action = [options] { return freeze(*options); }; });
}

void add_thaw(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command =
        add_command(app, "thaw", "Give all clients what is current again", *options);
    command->callback([&action, options] { action = [options] { return thaw(*options); }; });
}

}  // namespace aptward::cli
