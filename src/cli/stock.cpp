// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward stock`: what would still install if every source died now, and what would not.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/job_follow.h"
#include "cli/selection_options.h"
#include "stock/stock.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostNamed = 10;
constexpr std::chrono::seconds kPatience{600};  // a second or two for each machine

struct Options {
    Reach reach;
    std::vector<std::string> machines, lists, packages;
    std::string package_file, forgotten;
    bool is_json = false, wants_all = false;
};

std::string bytes_of(const Json& json, const char* key)
{
    return human_size(json.value(key, std::uint64_t{0}));
}

// "a, b, c and 7 more"
std::string some(const std::vector<std::string>& names, bool wants_all)
{
    const std::size_t shown = wants_all ? names.size() : std::min(names.size(), kMostNamed);
    std::string text;
    for (std::size_t i = 0; i < shown; ++i)
        text += (i == 0 ? "" : ", ") + printable(names[i]);  // machines say anything
    if (shown < names.size())
        text += fmt::format(" and {} more (--all names them)", names.size() - shown);
    return text;
}

void print_line(const char* what, const std::vector<std::string>& names, bool wants_all)
{
    if (!names.empty())
        fmt::print("  {}: {}\n", what, some(names, wants_all));
}

std::vector<std::string> texts(const Json& json, const char* key)
{
    return json.value(key, std::vector<std::string>());
}

void print_asked(const Json& look, bool wants_all)
{
    std::vector<std::string> yes;
    for (const Json& one : look.value("asked", Json::array())) {
        const std::string name = one.value("package", "");
        if (one.value("installs", false)) {
            yes.push_back(name);
            continue;
        }
        const std::string why = one.value("why_not", "");
        fmt::print(
            "  !!  {}: {}\n", name,
            why.empty() ? "missing " + some(texts(one, "missing"), wants_all) : printable(why));
    }
    print_line("installs now", yes, wants_all);
}

void print(const Json& look, bool wants_all)
{
    const std::string name = look.value("name", "");
    if (const std::string failure = look.value("failure", ""); !failure.empty()) {
        fmt::print("{}: cannot tell: {}\n", name, printable(failure));
        return;
    }
    const auto files = look.value("files", std::uint64_t{0});
    const auto held = look.value("held", std::uint64_t{0});
    const std::string age =
        look.contains("reported")
            ? fmt::format(
                  " (reported {} ago)",
                  human_seconds(to_unix(system_now()) - look.value("reported", std::int64_t{0})))
            : "";
    // Rounded down: 100 % is said of all only.
    if (files > 0)
        fmt::print("{}{}: {} % held, {} of {} files, {} of {}\n", name, age, held * 100 / files,
                   held, files, bytes_of(look, "held_bytes"), bytes_of(look, "bytes"));
    else
        fmt::print("{}{}: nothing of it is in an index that is held\n", name, age);
    std::vector<std::string> missing, phased;
    for (const Json& one : look.value("missing", Json::array()))
        missing.push_back(one.value("package", "") + "=" + one.value("version", ""));
    for (const Json& one : look.value("phased_out", Json::array()))
        phased.push_back(fmt::format("{}={} ({} %)", one.value("package", ""),
                                     one.value("version", ""), one.value("percentage", 0)));
    print_line("missing", missing, wants_all);
    print_asked(look, wants_all);
    if (const std::string why = look.value("cannot_upgrade", ""); !why.empty())
        fmt::print("  apt cannot upgrade it: {}\n", printable(why));
    print_line("held back by phasing", phased, wants_all);
    print_line("installed, but in no index", texts(look, "unlisted"), wants_all);
    print_line("not through this node", texts(look, "not_from_here"), wants_all);
    print_line("index not held", texts(look, "unread"), wants_all);
}

// Also what cannot be told is no yes.
bool is_whole(const Json& look)
{
    const Json asked = look.value("asked", Json::array());
    const auto has = [&](const char* key) { return !look.value(key, Json::array()).empty(); };
    return !look.contains("failure") && !has("missing") && !has("unread") &&
           !has("not_from_here") && look.value("cannot_upgrade", "").empty() &&
           std::all_of(asked.begin(), asked.end(),
                       [](const Json& one) { return one.value("installs", false); });
}

int show(const Options& options)
{
    std::vector<std::string> packages = options.packages;
    if (!options.package_file.empty()) {
        auto names = read_package_list(options.package_file);
        if (!names)
            return failed(names.error().message(), kUsage);
        packages.insert(packages.end(), names->begin(), names->end());
    }
    const Json query = {
        {"machines", options.machines}, {"lists", options.lists}, {"packages", packages}};
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const auto answer =
        ask_admin(config->admin, "POST", "/api/v1/stock",
                  query.dump(-1, ' ', false, Json::error_handler_t::replace), kPatience);
    if (!answer)
        return failed(answer.error().message(), kUnknown);
    const Json looks = Json::parse(answer->body, nullptr, false);
    if (answer->status != 200 || !looks.is_array())
        return failed(answer->sentence(), answer->status == 404 ? kUsage : kUnknown);
    if (options.is_json)
        fmt::print("{}", answer->body);
    else if (looks.empty())
        fmt::print(
            "No machine has reported (aptward client report), and the configuration has no "
            "[[stock-list]].\n");
    else
        for (const Json& look : looks)
            print(look, options.wants_all);
    return std::all_of(looks.begin(), looks.end(), is_whole) ? kOk : kNo;
}

int fetch(const Options& options)
{
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const RanJob job =
        run_job(config->admin, Json{{"kind", stock::kStock}}.dump(), options.is_json);
    if (job.status != kOk)
        return job.status;
    if (job.end.state != "done")
        return failed(job.end.message, kNo);
    fmt::print("{}\n", options.is_json ? job.end.result : job.end.message);
    return kOk;
}

int show_machines(const Options& options)
{
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const auto answer = ask_admin(config->admin, "GET", "/api/v1/machines");
    if (!answer)
        return failed(answer.error().message(), kUnknown);
    const Json machines = Json::parse(answer->body, nullptr, false);
    if (answer->status != 200 || !machines.is_array())
        return failed(answer->sentence(), kUnknown);
    if (options.is_json) {
        fmt::print("{}", answer->body);
        return kOk;
    }
    const std::int64_t now = to_unix(system_now());
    for (const Json& one : machines)
        fmt::print("{}  {}  reported {} ago from {}\n", one.value("name", ""),
                   printable(one.value("architecture", "")),
                   human_seconds(now - one.value("reported", std::int64_t{0})),
                   one.value("from", ""));
    if (machines.empty())
        fmt::print("No machine has reported: aptward client report, on a machine.\n");
    return kOk;
}

void add_list(CLI::App& command, const char* name, std::vector<std::string>& list, const char* text)
{
    command.add_option(name, list, text)->delimiter(',')->allow_extra_args(false);
}

}  // namespace

void add_stock(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "stock", "Say what would still install if every source died now, and what would not");
    command->require_subcommand(0, 1);
    add_reach_options(*command, options->reach);
    add_list(*command, "--machine", options->machines, "Only these machines");
    add_list(*command, "--list", options->lists, "Only these lists of the configuration");
    add_list(*command, "--packages", options->packages,
             "Say of each of these as well whether it installs");
    command->add_option("--packages-from", options->package_file,
                        "File with names of packages, as --packages");
    command->add_flag("--all", options->wants_all, "Name everything, not the first few");
    command->add_flag("--json", options->is_json, "Print the facts as JSON");
    command->footer(
        "Exit status: 0 all of it is held, 1 something is missing, 2 usage, configuration, or no "
        "such machine or list, 3 could not tell.");
    command->callback([&action, options, command] {
        if (command->get_subcommands().empty())
            action = [options] { return show(*options); };
    });
    const auto add = [&](const char* name, const char* text, int (*run)(const Options&)) {
        CLI::App* sub = command->add_subcommand(name, text);
        add_reach_options(*sub, options->reach);
        sub->callback(
            [&action, options, run] { action = [options, run] { return run(*options); }; });
        return sub;
    };
    add("fetch", "Fetch what is missing, within the budget", fetch)
        ->add_flag("--json", options->is_json, "Print progress and the result as lines of JSON");
    add("machines", "List the machines that have reported", show_machines)
        ->add_flag("--json", options->is_json, "Print the facts as JSON");
    add("forget", "Forget what a machine has reported",
        [](const Options& given) {
            return send_order(given.reach, "/api/v1/machines/forget",
                              {{"machine", given.forgotten}});
        })
        ->add_option("machine", options->forgotten, "The machine")
        ->required();
}

}  // namespace aptward::cli
