// SPDX-License-Identifier: GPL-3.0-or-later
// The table of `aptward status` and of the self-check.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

constexpr const char* kGreen = "\033[32m";
constexpr const char* kRed = "\033[31m";
constexpr const char* kYellow = "\033[33m";
constexpr const char* kPlain = "\033[0m";
constexpr std::size_t kMostNamed = 10;

struct Row {
    std::vector<std::string> cells;
    const char* colour = "";
};

std::string aligned(const std::vector<Row>& rows, bool has_colours)
{
    std::vector<std::size_t> widths;
    for (const Row& row : rows)
        for (std::size_t i = 0; i < row.cells.size(); ++i) {
            widths.resize(std::max(widths.size(), i + 1));
            widths[i] = std::max(widths[i], row.cells[i].size());
        }
    std::string text;
    for (const Row& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.cells.size(); ++i)
            line += i + 1 < row.cells.size() ? fmt::format("{:<{}}  ", row.cells[i], widths[i])
                                             : row.cells[i];
        text +=
            has_colours && *row.colour != '\0' ? row.colour + line + kPlain + "\n" : line + "\n";
    }
    return text;
}

std::string signers(const Json& suite)
{
    std::string text;
    for (const auto& signer : suite.value("signed_by", Json::array()))
        text += (text.empty() ? "" : ",") + signer.get<std::string>().substr(24);
    return text.empty() ? "NOBODY (unverified)" : text;
}

std::string observed_code(const Json& suite)
{
    const std::string code = suite.value("observed", "");
    return code.empty() ? "release.unverified" : code;
}

// What clients of a frozen archive get of a suite, in the place of what is newest.
Row frozen_row(const Json& archive, const Json& suite)
{
    const Json& frozen = archive.at("frozen");
    const std::string name = suite.value("suite", "");
    const Json suites = frozen.value("suites", Json::object());
    const auto given = suites.find(name);
    if (given == suites.end())
        return {{archive.value("id", ""), name, "none", "", "",
                 "FROZEN, not to be had: " +
                     frozen.value("not_had", Json::object()).value(name, "nothing is known of it")},
                kRed};
    const std::string newest = suite.value("generation", "");
    const bool is_newest = given->value("generation", "") == newest;
    return {{archive.value("id", ""), name, given->value("generation", "").substr(0, 12),
             given->value("date_text", ""), signers(*given),
             is_newest ? "FROZEN, it is the newest"
                       : fmt::format("FROZEN, the newest is {} of {}", newest.substr(0, 12),
                                     suite.value("date_text", ""))},
            kYellow};
}

Row suite_row(const Json& archive, const Json& suite)
{
    if (archive.value("frozen", Json()).is_object())
        return frozen_row(archive, suite);
    const std::string generation = suite.value("generation", "");
    const auto verdict = suite.value("verdict", Json::object());
    if (generation.empty())
        return {{archive.value("id", ""), suite.value("suite", ""), "none", "", "",
                 verdict.value("code", "") + ": " + verdict.value("message", "")},
                kRed};
    const std::string held = suite.value("held", "");
    const std::int64_t checked = suite.value("checked_at", std::int64_t{0});
    const std::string age = human_seconds(to_unix(system_now()) - checked) + " ago";
    const bool is_unverified = suite.value("signed_by", Json::array()).empty();
    const bool is_observed = archive.value("verify", "") == "observe";
    std::string state = held.empty() ? "checked " + age : "HELD: " + held;
    if (is_observed && is_unverified)
        state = fmt::format("NOT PROVEN (observe): {}; {}", observed_code(suite), state);
    else if (is_observed)
        state = "observe, nothing is refused; " + state;
    const bool has_stranger = !suite.value("signers_not_in_keyring", Json::array()).empty();
    if (has_stranger)
        state = "SIGNER NOT IN THE KEYRING any more, see aptward keys; " + state;
    return {{archive.value("id", ""), suite.value("suite", ""), generation.substr(0, 12),
             suite.value("date_text", ""), signers(suite), state},
            is_unverified                                   ? kRed
            : held.empty() && !has_stranger && !is_observed ? kGreen
                                                            : kYellow};
}

Row source_row(const Json& archive, const Json& source)
{
    const std::string health = source.value("health", "");
    return {{archive.value("id", ""), source.value("url", ""), health,
             fmt::format("{:.0f} ms", source.value("latency_ms", 0.0)),
             human_size(static_cast<std::uint64_t>(source.value("rate_bytes_per_s", 0.0))) + "/s",
             source.value("last_fault", "")},
            health == "good"   ? kGreen
            : health == "down" ? kRed
                               : kYellow};
}

// What clients of a frozen archive get, and whose lists an operator has to purge.
std::string frozen_note(const Json& archive)
{
    const Json frozen = archive.value("frozen", Json());
    if (!frozen.is_object())
        return "";
    std::string text =
        fmt::format("\nFROZEN: {} to {} by {}, until aptward thaw {}\n", archive.value("id", ""),
                    frozen.value("stamp", ""), frozen.value("who", ""), archive.value("id", ""));
    const Json clients = frozen.value("clients_with_newer_lists", Json::array());
    std::string names;
    for (std::size_t i = 0; i < clients.size() && i < kMostNamed; ++i)
        names += " " + clients[i].get<std::string>();
    if (clients.size() > kMostNamed)
        names += fmt::format(" and {} more (--json has all)", clients.size() - kMostNamed);
    if (!names.empty())
        text += "  with newer lists, which apt keeps until /var/lib/apt/lists is emptied:" + names +
                "\n";
    return text;
}

// Who does not get what the table shows.
std::string rings_note(const Json& archive)
{
    std::string text;
    for (const Json& ring : archive.value("rings", Json::array())) {
        text += fmt::format("\nring {} of {}: ", ring.value("ring", ""), archive.value("id", ""));
        const Json suites = ring.value("behind", Json::object());
        std::string behind;
        for (const auto& [suite, given] : suites.items())
            behind += fmt::format("{}{} has {} of {}", behind.empty() ? "" : "; ", suite,
                                  given.value("generation", "").substr(0, 12),
                                  given.value("date_text", ""));
        text += behind.empty() ? "as everybody\n" : behind + ", the rest as everybody\n";
    }
    return text;
}

std::string drill_note(const Json& status)
{
    const Json drill = status.value("drill", Json());
    if (!drill.is_object())
        return "";
    std::string sources;
    for (const Json& source : drill.value("sources", Json::array()))
        sources += " " + source.get<std::string>();
    return fmt::format(
        "\nDRILL: {} of {}:{}, by {}, for {} more at most\n", drill.value("fault", ""),
        drill.value("archive", ""), sources, drill.value("who", ""),
        human_seconds(drill.value("until", std::int64_t{0}) - to_unix(system_now())));
}

std::string quota_note(const Json& status)
{
    const Json quota = status.value("quota", Json());
    if (!quota.is_object() || !quota.contains("held_bytes"))
        return "";
    std::string text = fmt::format("\nquota: {} of {} held\n",
                                   human_size(quota.value("held_bytes", std::uint64_t{0})),
                                   human_size(quota.value("bytes", std::uint64_t{0})));
    if (const auto over = quota.value("over_bytes", std::uint64_t{0}); over > 0)
        text += fmt::format("  it cannot hold, by {}: {} (aptward doctor)\n", human_size(over),
                            quota.value("what_stays", ""));
    return text;
}

// What is deleted in the bucket, or would be.
std::string deleting_note(const Json& service)
{
    const Json deleting = service.value("deleting", Json::object());
    const auto after = deleting.value("after", std::int64_t{0});
    if (after == 0)
        return "";
    const auto text_of = [&](const char* key) {
        const Json count = deleting.value(key, Json::object());
        return fmt::format("{} files ({})", count.value("files", std::uint64_t{0}),
                           human_size(count.value("bytes", std::uint64_t{0})));
    };
    std::string text;
    if (deleting.value("looked_at", std::int64_t{0}) > 0)
        text += fmt::format("  of {} files there {} are needed by none of {} nodes\n",
                            deleting.value("objects", std::uint64_t{0}), text_of("unneeded"),
                            deleting.value("leases", std::uint64_t{0}));
    if (deleting.value("dry_run", false))
        text += fmt::format("  {} would be deleted, unneeded for {} (delete-dry-run)\n",
                            text_of("due"), human_seconds(after));
    else
        text += fmt::format("  {} were deleted, unneeded for {}\n", text_of("deleted"),
                            human_seconds(after));
    if (const std::string why = deleting.value("why", ""); !why.empty())
        text += fmt::format("  nothing is deleted now: {}\n", why);
    return text;
}

std::string blob_service_note(const Json& status)
{
    const Json service = status.value("blob_service", Json());
    if (!service.is_object())
        return "";
    const std::string state = service.value("state", "");
    const std::string why = service.value("why", "");
    std::string text = fmt::format("\nblob service: {} {}{}\n", service.value("url", ""), state,
                                   why.empty() ? "" : ": " + why);
    if (service.value("upload", false))
        text += fmt::format("  it has {} files that this node knows of; {} wait for their upload\n",
                            service.value("known", 0), service.value("waiting", 0));
    if (const auto alone = service.value("left_alone", std::uint64_t{0}); alone > 0)
        text += fmt::format("  it never takes {} files, which stay here\n", alone);
    if (const std::string trouble = service.value("lease", Json::object()).value("why", "");
        !trouble.empty())
        text += fmt::format("  what this node needs there is not told: {}\n", trouble);
    return text + deleting_note(service);
}

std::string unmended_note(const Json& status)
{
    const Json unmended = status.value("unmended", Json::object());
    if (unmended.value("count", 0) == 0)
        return "";
    std::string text = fmt::format(
        "\nNOT HELD: {} files that are needed are damaged or gone, and no source gave them "
        "(aptward doctor)\n",
        unmended.value("count", 0));
    for (const Json& file : unmended.value("files", Json::array()))
        text += fmt::format("  {}: {}\n", file.value("name", ""), file.value("why", ""));
    return text;
}

}  // namespace

std::string render_status_table(const std::string& status_json, bool has_colours)
{
    const Json status = Json::parse(status_json, nullptr, false);
    if (!status.is_object())
        return "the node's status is not readable\n";
    std::vector<Row> suites = {{{"ARCHIVE", "SUITE", "GENERATION", "DATE", "SIGNED BY", "STATE"}}};
    std::vector<Row> sources = {{{"ARCHIVE", "SOURCE", "HEALTH", "LATENCY", "RATE", "LAST FAULT"}}};
    for (const Json& archive : status.value("archives", Json::array())) {
        for (const Json& suite : archive.value("suites", Json::array()))
            suites.push_back(suite_row(archive, suite));
        for (const Json& source : archive.value("sources", Json::array()))
            sources.push_back(source_row(archive, source));
    }
    std::string text = aligned(suites, has_colours) + "\n" + aligned(sources, has_colours);
    for (const Json& archive : status.value("archives", Json::array()))
        text += frozen_note(archive) + rings_note(archive);
    text += drill_note(status);
    text += quota_note(status);
    text += blob_service_note(status);
    text += unmended_note(status);
    const Json tunnels = status.value("tunnels", Json::object());
    if (tunnels.value("count", 0) > 0)
        text += fmt::format("\nunprotected: {} CONNECT tunnels, {} (neither verified nor kept)\n",
                            tunnels.value("count", 0),
                            human_size(tunnels.value("bytes", std::uint64_t{0})));
    const Json unproven = status.value("unproven", Json::object());
    if (unproven.value("count", 0) > 0)
        text += fmt::format("\nunproven: {} answers with files that no index names (auxiliary)\n",
                            unproven.value("count", 0));
    for (const auto& note : status.value("notes", Json::array()))
        text += "\nnote: " + note.get<std::string>();
    if (!status.value("notes", Json::array()).empty())
        text += "\n";
    return text;
}

}  // namespace aptward::cli
