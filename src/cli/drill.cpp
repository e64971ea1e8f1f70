// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward drill`: an outage is played against the running node, and a real apt says what still
// works (docs/decisions/0022-drills.md).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <memory>
#include <set>

#include "archive/unknown_archive.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/drill_parts.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kFirst = "first";

struct Scenario {
    const char* name;
    const char* fault;
    std::string_view sources;
};
constexpr std::array<Scenario, 5> kScenarios = {{{"refuse-first", "refuse", kFirst},
                                                 {"stall-first", "stall", kFirst},
                                                 {"trickle-first", "trickle", kFirst},
                                                 {"lie-first", "lie", kFirst},
                                                 {"all-gone", "refuse", "all"}}};

constexpr std::size_t kMostNamed = 5;

struct Options {
    Reach reach;
    DrillOptions drill;
    std::vector<std::string> scenarios;
    std::string trace;
    double speed = 600;
};

volatile std::sig_atomic_t is_interrupted = 0;

void interrupt(int)
{
    is_interrupted = 1;
}

struct Row {
    std::string archive, scenario;
    std::uint64_t met = 0;     // transfers of the node that were disturbed
    ClientEnd held, fresh;     // what the node held, and what it had to fetch
    bool has_sources = false;  // that have it: other nodes promise nothing
    bool is_good() const
    {
        return held.has_updated && held.lacking.empty() && (fresh.lacking.empty() || !has_sources);
    }
};

Json names_of(const std::vector<DrillPackage>& packages)
{
    Json names = Json::array();
    for (const DrillPackage& one : packages)
        names.push_back(one.name + " " + one.version);
    return names;
}

void print(const Row& row, bool is_json)
{
    if (is_json) {
        fmt::print("{}\n", Json({{"archive", row.archive},
                                 {"scenario", row.scenario},
                                 {"good", row.is_good()},
                                 {"updated", row.held.has_updated},
                                 {"transfers", row.met},
                                 {"held", {{"got", row.held.got}, {"of", row.held.wanted}}},
                                 {"not_held", {{"got", row.fresh.got}, {"of", row.fresh.wanted}}},
                                 {"lacking", names_of(row.held.lacking)},
                                 {"not_held_lacking", names_of(row.fresh.lacking)},
                                 {"why", row.held.why},
                                 {"not_held_why", row.fresh.why},
                                 {"seconds", row.held.seconds + row.fresh.seconds}})
                               .dump(-1, ' ', false, Json::error_handler_t::replace));
    } else {
        const std::string fresh =
            row.fresh.wanted == 0 ? "-" : fmt::format("{} of {}", row.fresh.got, row.fresh.wanted);
        fmt::print("{:<14}  {:<7}  {:<10}  {:<8}  {:>9}  {:>7.1f}{}\n", row.scenario,
                   row.held.has_updated ? "ok" : "FAILED",
                   fmt::format("{} of {}", row.held.got, row.held.wanted), fresh, row.met,
                   row.held.seconds + row.fresh.seconds, row.is_good() ? "" : "  NOT GOOD");
        if (!row.is_good())
            for (const ClientEnd* end : {&row.held, &row.fresh})
                for (const std::string& line : end->why)
                    fmt::print("  {}\n", line);
    }
    std::fflush(stdout);
}

// What clients would miss that ask for their packages while every source is gone.
void print_missed(const DrillStock& stock, bool is_json)
{
    const Json& missed = stock.would_be_missed;
    if (is_json) {
        fmt::print("{}\n", Json({{"archive", stock.archive},
                                 {"listed", stock.listed},
                                 {"held", stock.held},
                                 {"would_be_missed", missed}})
                               .dump(-1, ' ', false, Json::error_handler_t::replace));
        return;
    }
    fmt::print("\n{} of {} packages of {} are held.\n", stock.held, stock.listed, stock.archive);
    if (missed.empty()) {
        fmt::print(
            "Of what clients took in the last 30 days, all is held in its newest version.\n");
        return;
    }
    std::set<std::string> clients;
    for (const Json& one : missed)
        for (const Json& client : one.value("clients", Json::array()))
            clients.insert(client.get<std::string>());
    fmt::print(
        "With every source gone, packages that clients took in the last 30 days and that this node "
        "would not have in their newest version: {}. Clients that would miss one: {}.\n",
        missed.size(), clients.size());
    for (std::size_t i = 0; i < std::min(missed.size(), kMostNamed); ++i) {
        const Json who = missed[i].value("clients", Json::array());
        std::string names;
        for (std::size_t k = 0; k < std::min(who.size(), kMostNamed); ++k)
            names += " " + who[k].get<std::string>();
        fmt::print("  {} {}, for{}{}\n", missed[i].value("name", ""),
                   missed[i].value("version", ""), names,
                   who.size() > kMostNamed ? " and others" : "");
    }
    if (missed.size() > kMostNamed)
        fmt::print("  and {} more: --json has all\n", missed.size() - kMostNamed);
}

// `turn`: which of the packages that are not held it tries; each scenario another one.
Result<Row> play(const std::string& admin, const DrillStock& stock, const Scenario& scenario,
                 std::size_t turn, const DrillOptions& options)
{
    Row row;
    row.archive = stock.archive;
    row.scenario = scenario.name;
    TRY(DrillClient client, DrillClient::make(stock));
    const bool has_chosen = !options.sources.empty() && scenario.sources == kFirst;
    const Json sources = has_chosen ? Json(options.sources) : Json(scenario.sources);
    TRY(OrderedDrill drill, OrderedDrill::start(admin, stock.archive, scenario.fault, sources,
                                                options.is_alone, options.seconds));
    TRY(row.held, client.get(stock.some_held));
    row.has_sources = drill.disturbed() < stock.sources;
    if ((row.has_sources || drill.has_others()) && turn < stock.some_missing.size()) {
        TRY(row.fresh, client.get({stock.some_missing[turn]}));
    }
    if (!is_drill_interrupted()) {
        TRY(row.met, drill.end());
    }
    return row;
}

int failed(const Error& error)
{
    std::fprintf(stderr, "aptward: %s\n", error.message().c_str());
    return error.code() == Errc::unavailable || error.code() == Errc::storage ? kUnknown : kNo;
}

bool is_chosen(const Options& options, const Scenario& scenario)
{
    const auto& names = options.scenarios;
    return names.empty() || std::find(names.begin(), names.end(), scenario.name) != names.end();
}

int play_all(const std::string& admin, const std::string& archive, const Options& options)
{
    const DrillOptions& drill = options.drill;
    const auto stock = ask_stock(admin, archive, drill.packages, drill.address);
    if (!stock)
        return failed(stock.error());
    if (!drill.is_json)
        fmt::print("{:<14}  {:<7}  {:<10}  {:<8}  {:>9}  {:>7}\n", archive, "UPDATE", "HELD",
                   "NOT HELD", "DISTURBED", "SECONDS");
    int status = kOk;
    std::size_t turn = 0;
    for (const Scenario& scenario : kScenarios) {
        if (!is_chosen(options, scenario))
            continue;
        const auto row = play(admin, *stock, scenario, turn++, drill);
        if (!row)
            return failed(row.error());
        if (is_drill_interrupted())
            return failed(Error(Errc::unavailable, "interrupted: the drill is ended"));
        print(*row, drill.is_json);
        if (!row->is_good())
            status = kNo;
    }
    if (!drill.is_json)
        fmt::print(
            "\nEach row: a client without lists updates, downloads packages that the node holds, "
            "and "
            "one that it does not hold (-: nobody is left for that, or nothing to try; with every "
            "source gone, other nodes or a blob service may have it). "
            "DISTURBED: transfers from sources that met the fault; 0 proves nothing about it.\n");
    print_missed(*stock, drill.is_json);
    return status;
}

Result<std::vector<std::string>> archives_to_drill(const std::string& admin,
                                                   const std::string& chosen)
{
    TRY(const AdminAnswer answer, ask_admin(admin, "GET", "/api/v1/status"));
    const Json status = Json::parse(answer.body, nullptr, false);
    if (!status.is_object())
        return fail(Errc::unavailable, "the node's answer is not readable");
    std::vector<std::string> ids;
    for (const Json& one : status.value("archives", Json::array()))
        if (chosen.empty() || one.value("id", "") == chosen)
            ids.push_back(one.value("id", ""));
    if (ids.empty())
        return fail(Errc::not_found, archive::unknown_archive(chosen));
    return ids;
}

int usage(const std::string& sentence)
{
    std::fprintf(stderr, "aptward: %s\n", sentence.c_str());
    return kUsage;
}

int replay_file(const std::string& admin, const Options& options, std::vector<std::string> archives)
{
    const auto text = read_file(options.trace, archive::kMaxTraceBytes);
    const auto trace = text ? archive::parse_outage_trace(*text)
                            : Result<archive::OutageTrace>(tl::unexpected<Error>(text.error()));
    if (!trace)
        return usage(options.trace + " is no recorded outage: " + trace.error().message());
    if (archives.size() != 1)
        return usage(fmt::format("name one of the archives: {}", fmt::join(archives, ", ")));
    DrillOptions drill = options.drill;
    drill.archive = archives.front();
    return replay(admin, *trace, options.speed, drill);
}

int run_drill(const Options& options)
{
    is_interrupted = 0;
    for (const int number : {SIGINT, SIGTERM})
        std::signal(number, interrupt);
    std::signal(SIGPIPE, SIG_IGN);
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const auto archives = archives_to_drill(config->admin, options.drill.archive);
    if (!archives && archives.error().code() == Errc::not_found)
        return usage(archives.error().message());
    if (!archives)
        return failed(archives.error());
    if (!options.trace.empty())
        return replay_file(config->admin, options, *archives);
    int status = kOk;
    for (const std::string& archive : *archives)
        status = std::max(status, play_all(config->admin, archive, options));
    return status;
}

std::vector<std::string> scenario_names()
{
    std::vector<std::string> names;
    for (const Scenario& scenario : kScenarios)
        names.emplace_back(scenario.name);
    return names;
}

}  // namespace

bool is_drill_interrupted()
{
    return is_interrupted != 0;
}

void add_drill(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "drill", "Play an outage against the running node, and say what a real apt still gets");
    add_reach_options(*command, options->reach);
    command->add_option("archive", options->drill.archive, "Id of the archive; none: each in turn");
    CLI::Option* scenario =
        command->add_option("--scenario", options->scenarios, "Only this one; may be repeated")
            ->check(CLI::IsMember(scenario_names()));
    CLI::Option* source =
        command->add_option("--source", options->drill.sources,
                            "Disturb this source, and not the first; may be repeated");
    command
        ->add_option("--packages", options->drill.packages,
                     "How many held packages each client downloads; 0: all")
        ->capture_default_str();
    command
        ->add_option("--seconds", options->drill.seconds,
                     "After so many the node ends a scenario that nobody has ended")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
    command->add_option("--node", options->drill.address,
                        "Where clients reach the node, such as 127.0.0.1:3142");
    command->add_flag("--alone", options->drill.is_alone,
                      "Other nodes and the blob service give nothing meanwhile either");
    CLI::Option* trace =
        command->add_option("--trace", options->trace, "Replay the recorded outage of this file");
    trace->excludes(scenario)->excludes(source);
    command->add_option("--speed", options->speed, "How many times as fast as it was")
        ->check(CLI::Range(1.0, 100'000.0))
        ->capture_default_str()
        ->needs(trace);
    command->add_flag("--json", options->drill.is_json, "Print the results as lines of JSON");
    command->footer("Real clients meet the outage as well while it is played.");
    command->callback([&action, options] { action = [options] { return run_drill(*options); }; });
}

}  // namespace aptward::cli
