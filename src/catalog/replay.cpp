// SPDX-License-Identifier: GPL-3.0-or-later
#include "catalog/replay.h"

#include <fmt/format.h>

#include <algorithm>

#include "catalog/descriptions.h"

namespace aptward::catalog {
namespace {

using Json = nlohmann::json;

trust::Floor floor_of(const Json& json)
{
    trust::Floor floor;
    if (!json.is_object())
        return floor;
    floor.release_id = json.value("release", "");
    floor.origin = json.value("origin", "");
    floor.label = json.value("label", "");
    floor.codename = json.value("codename", "");
    floor.not_automatic = json.value("not_automatic", false);
    floor.but_automatic_upgrades = json.value("but_automatic", false);
    floor.signers = json.value("signers", std::vector<std::string>());
    floor.next_signed_by = json.value("next_signed_by", std::vector<std::string>());
    floor.approved = json.value("approved", std::set<std::string>());
    if (json.contains("date"))
        floor.date = time_in(json, "date");
    return floor;
}

void note(SuiteState& state, const std::string& base)
{
    if (std::find(state.used.begin(), state.used.end(), base) == state.used.end())
        state.used.push_back(base);
}

// False when the entry is of another kind, as the next.
bool apply_peer(Replayed& decided, const std::string& kind, const Json& entry)
{
    if (kind == "peer")
        decided.peers[entry.value("url", "")] = {entry.value("identity", ""),
                                                 entry.value("who", "")};
    else if (kind == "peer-removed")
        decided.peers.erase(entry.value("url", ""));
    else
        return false;
    return true;
}

bool apply_decision(Replayed& decided, const std::string& kind, const Json& entry)
{
    if (kind != "keys" && kind != "snapshot" && kind != "snapshot-dropped" && kind != "frozen" &&
        kind != "thawed")
        return false;
    ArchiveDecisions& archive = decided.archives[entry.value("archive", "")];
    if (kind == "keys")
        archive.approved_keys = entry.value("approved", std::set<std::string>());
    else if (kind == "snapshot")
        archive.snapshots[entry.value("name", "")] = time_in(entry, "at");
    else if (kind == "snapshot-dropped")
        archive.snapshots.erase(entry.value("name", ""));
    else if (kind == "frozen")
        archive.freeze = {time_in(entry, "at"), time_in(entry, "since"), entry.value("who", "")};
    else
        archive.freeze.reset();
    return true;
}

}  // namespace

Json to_json(const trust::Floor& floor)
{
    Json json = {{"release", floor.release_id},
                 {"origin", floor.origin},
                 {"label", floor.label},
                 {"codename", floor.codename},
                 {"not_automatic", floor.not_automatic},
                 {"but_automatic", floor.but_automatic_upgrades},
                 {"signers", floor.signers},
                 {"next_signed_by", floor.next_signed_by},
                 {"approved", floor.approved}};
    if (floor.date)
        json["date"] = to_unix(*floor.date);
    return json;
}

Json to_json(const SuiteState& state)
{
    return {{"floor", to_json(state.floor)}, {"current", state.current()}, {"used", state.used}};
}

void apply_entry(Replayed& decided, const Json& entry)
{
    const std::string kind = entry.value("kind", "");
    if (apply_decision(decided, kind, entry) || apply_peer(decided, kind, entry))
        return;
    SuiteState& state = decided.suites[{entry.value("archive", ""), entry.value("suite", "")}];
    if (kind == "published") {
        state.floor = floor_of(entry.value("floor", Json::object()));
        // Not always the release of the floor: what nobody signed raises none.
        Published published;
        published.release = entry.value("release", state.floor.release_id);
        published.signers = state.floor.signers;
        published.published = time_in(entry, entry.contains("published") ? "published" : "time");
        published.date = entry.contains("date") ? time_in(entry, "date")
                                                : state.floor.date.value_or(published.published);
        note_published(state.timeline, std::move(published));
    } else if (kind == "from-host") {
        Published published;
        published.release = entry.value("release", "");
        published.signers = entry.value("signers", std::vector<std::string>());
        published.date = time_in(entry, "date");
        published.published = time_in(entry, "published");
        published.stood_at = time_in(entry, "stood-at");
        note_from_host(state.from_hosts, std::move(published));
    } else if (kind == "approved") {
        state.floor.approved.insert(entry.value("release", ""));
    } else if (kind == "used") {
        note(state, entry.value("index", ""));
    }
}

std::set<std::string> SuiteState::releases() const
{
    std::set<std::string> ids;
    for (const Timeline* each : {&timeline, &from_hosts})
        for (const Published& one : *each)
            ids.insert(one.release);
    return ids;
}

Result<Replayed> replay(const std::vector<std::string>& journal_entries)
{
    Replayed decided;
    std::size_t number = 0;
    for (const std::string& text : journal_entries) {
        ++number;
        const Json entry = Json::parse(text, nullptr, false);
        if (!entry.is_object())
            continue;
        try {
            apply_entry(decided, entry);
        } catch (const Json::exception&) {
            // Its sum holds, so chance did not damage it; and without the floor that it may hold
            // an older release could come back.
            return fail(Errc::malformed,
                        fmt::format("entry {} of the journal is not as any version writes it; "
                                    "restore the journal, or take that line out of it",
                                    number));
        }
    }
    return decided;
}

}  // namespace aptward::catalog
