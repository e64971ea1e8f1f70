// SPDX-License-Identifier: GPL-3.0-or-later
// JSON of the state folder, by the first byte: release.json, refused.json, entries of the journal,
// one a line. What is read of a description is written as one that reads the same; and what the
// entries add up to is a state that the node itself could have come to.
#include <algorithm>
#include <cstdint>
#include <set>

#include "base/check.h"
#include "base/lines.h"
#include "catalog/descriptions.h"
#include "catalog/proof.h"
#include "catalog/state.h"
#include "input.h"

using namespace aptward;

namespace {

void check_release(std::string_view json)
{
    const auto release = catalog::parse_stored(json);
    if (!release)
        return;
    const std::string written = catalog::to_json(*release);
    const auto again = catalog::parse_stored(written);
    CHECK(again && catalog::to_json(*again) == written, "it is written as it reads");
    CHECK(again->archive == release->archive && again->suite == release->suite &&
              again->accepted == release->accepted &&
              again->is_unverified == release->is_unverified,
          "the same values");
}

void check_refused(std::string_view json)
{
    const auto entry = catalog::parse_refused(json);
    if (!entry)
        return;
    const std::string written = catalog::to_json(*entry);
    const auto again = catalog::parse_refused(written);
    CHECK(again && catalog::to_json(*again) == written, "it is written as it reads");
    CHECK(again->code == entry->code && again->message == entry->message &&
              again->time == entry->time && again->is_cut == entry->is_cut,
          "the same values");
    catalog::Proof proof;
    proof.refused.push_back(*entry);
    CHECK(!catalog::to_json(proof).empty(), "and can be shown, whatever its time is");
}

template <class List>
bool repeats_nothing(const List& list)
{
    return std::set<std::string>(list.begin(), list.end()).size() == list.size();
}

void check_journal(std::string_view text)
{
    std::vector<std::string> entries;
    while (!text.empty()) {
        entries.emplace_back(take_line(text));
    }
    const auto decided = catalog::replay(entries);
    if (!decided)
        return;
    for (const auto& [key, suite] : decided->suites) {
        CHECK(suite.releases().size() == suite.timeline.size(), "a release stands there once");
        CHECK(suite.timeline.empty() || suite.timeline.back().release == suite.current(),
              "the current release is the last");
        CHECK(repeats_nothing(suite.used), "an index is used once");
        for (const catalog::Published& one : suite.timeline) {
            const catalog::Published* found = catalog::find_at(suite.timeline, one.date);
            CHECK(found != nullptr && found->date == one.date, "each was current at its date");
        }
    }
    entries.insert(entries.begin(), R"({"kind":"of a newer version"})");
    CHECK(catalog::replay(entries), "unknown kinds change nothing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    return fuzz::choose(bytes, size, check_release, check_refused, check_journal);
}
