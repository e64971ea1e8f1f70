// SPDX-License-Identifier: GPL-3.0-or-later
// The form of a machine's report: JSON with the texts that apt itself reads.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json_shape.h"
#include "base/text.h"
#include "stock/machines.h"

namespace aptward::stock {
namespace {

using Json = nlohmann::json;

constexpr int kFormat = 1;
constexpr std::size_t kMostSources = 1000, kMostPreferences = 1000;
constexpr std::size_t kDeepest = 8, kMostValues = 100'000;

// What apt's solver looks at. In lower case.
const std::set<std::string, std::less<>>& kept_fields()
{
    static const std::set<std::string, std::less<>> kFields = {
        "package",  "status",   "version",   "architecture", "multi-arch",
        "source",   "priority", "essential", "important",    "protected",
        "section",  "depends",  "conflicts", "pre-depends",  "recommends",
        "suggests", "breaks",   "replaces",  "provides",     "enhances"};
    return kFields;
}

// Of "Status: install ok installed" the last word: what is really on the disk.
bool is_gone(std::string_view status_line)
{
    const auto parts = words(status_line);
    return !parts.empty() && (parts.back() == "not-installed" || parts.back() == "config-files");
}

void trim_stanza(std::string_view stanza, std::string& to)
{
    const std::size_t start = to.size();
    bool is_kept = false;
    for (std::size_t at = 0; at < stanza.size();) {
        const std::size_t end = std::min(stanza.find('\n', at), stanza.size());
        const std::string_view line = stanza.substr(at, end - at);
        at = end + 1;
        const bool goes_on = !line.empty() && (line.front() == ' ' || line.front() == '\t');
        if (!goes_on) {
            const std::string field = to_lower(line.substr(0, line.find(':')));
            is_kept = kept_fields().count(field) > 0;
            if (field == "status" && is_gone(line)) {
                to.resize(start);
                return;
            }
        }
        if (is_kept)
            to.append(line).append("\n");
    }
    if (to.size() > start)
        to += '\n';
}

// What `take` reads from JSON whose values may have any type.
template <class Take>
Result<void> take_part(const char* part, const Take& take)
{
    try {
        take();
        return {};
    } catch (const Json::exception&) {
        return fail(Errc::malformed, fmt::format("the report's \"{}\" is not as docs/formats/"
                                                 "machine.md says",
                                                 part));
    }
}

Result<void> check(const MachineReport& report)
{
    if (!is_machine_name(report.name))
        return fail(Errc::malformed,
                    fmt::format("\"{}\" is no name of a machine: letters, digits, '-', '_' and "
                                "'.', at most 128",
                                printable(report.name)));
    if (report.machine.architecture.empty())
        return fail(Errc::malformed, "the report names no architecture");
    if (report.sources.size() > kMostSources ||
        report.machine.preferences.size() > kMostPreferences)
        return fail(Errc::malformed, "the report has more sources or preferences than any machine");
    return {};
}

}  // namespace

std::string trim_status(std::string_view status)
{
    std::string trimmed;
    while (!status.empty()) {
        const std::size_t end = std::min(status.find("\n\n"), status.size());
        trim_stanza(status.substr(0, end), trimmed);
        status.remove_prefix(std::min(end + 2, status.size()));
    }
    return trimmed;
}

Result<MachineReport> parse_report(std::string_view json)
{
    const Json object =
        is_modest_json(json, kDeepest, kMostValues) ? Json::parse(json, nullptr, false) : Json();
    if (!object.is_object() || object.value("format", Json()) != kFormat)
        return fail(Errc::malformed,
                    fmt::format("it is no machine's report of format {}: aptward client report "
                                "sends one",
                                kFormat));
    MachineReport report;
    TRY_VOID(
        take_part("name", [&] { report.name = to_lower(object.at("name").get<std::string>()); }));
    solve::Machine& machine = report.machine;
    TRY_VOID(take_part("architectures", [&] {
        auto all = object.at("architectures").get<std::vector<std::string>>();
        if (all.empty())
            return;
        machine.architecture = all.front();
        machine.foreign_architectures.assign(all.begin() + 1, all.end());
    }));
    TRY_VOID(
        take_part("machine-id", [&] { machine.id = object.value("machine-id", std::string()); }));
    TRY_VOID(take_part("status", [&] {
        machine.status = trim_status(object.at("status").get_ref<const std::string&>());
    }));
    TRY_VOID(take_part("extended_states", [&] {
        machine.extended_states = object.value("extended_states", std::string());
    }));
    TRY_VOID(take_part("preferences", [&] {
        machine.preferences = object.value("preferences", std::vector<std::string>());
    }));
    TRY_VOID(take_part("settings", [&] {
        machine.settings = object.value("settings", std::map<std::string, std::string>());
    }));
    TRY_VOID(take_part("sources", [&] {
        for (const Json& source : object.at("sources"))
            report.sources.push_back({source.at("uri"), source.at("suite"),
                                      source.at("components").get<std::vector<std::string>>()});
    }));
    TRY_VOID(take_part("reported", [&] {
        report.reported = from_unix(object.value("reported", std::int64_t{0}));
        report.from = object.value("from", std::string());
    }));
    TRY_VOID(check(report));
    return report;
}

std::string to_json(const MachineReport& report)
{
    const solve::Machine& machine = report.machine;
    std::vector<std::string> architectures = {machine.architecture};
    architectures.insert(architectures.end(), machine.foreign_architectures.begin(),
                         machine.foreign_architectures.end());
    Json sources = Json::array();
    for (const Source& source : report.sources)
        sources.push_back(
            {{"uri", source.uri}, {"suite", source.suite}, {"components", source.components}});
    const Json document = {{"format", kFormat},
                           {"name", report.name},
                           {"architectures", architectures},
                           {"machine-id", machine.id},
                           {"status", machine.status},
                           {"extended_states", machine.extended_states},
                           {"preferences", machine.preferences},
                           {"settings", machine.settings},
                           {"sources", sources},
                           {"reported", to_unix(report.reported)},
                           {"from", report.from}};
    return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace aptward::stock
