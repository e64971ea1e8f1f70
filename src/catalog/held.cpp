// SPDX-License-Identifier: GPL-3.0-or-later
// A state folder read by a program that is not its node: the journal says what was accepted, the
// releases and tables say what that proves. Nothing is locked, created or repaired.
#include <algorithm>
#include <set>

#include "base/log.h"
#include "catalog/proof.h"
#include "store/journal.h"

namespace aptward::catalog {
namespace {

constexpr std::ptrdiff_t kMostRead =
    9;  // generations of a suite: what a node has at hand, and more

Result<Replayed> replay_of(const std::filesystem::path& state)
{
    if (!std::filesystem::is_directory(state))
        return fail(Errc::not_found, "there is no state folder " + state.string());
    TRY(const auto entries, store::read_journal(state / "journal"));
    return replay(entries);
}

}  // namespace

GenerationPtr with_tables(GenerationPtr generation, const std::filesystem::path& tables)
{
    std::set<std::string> bases;
    for (const auto& [path, file] : generation->release().files) {
        if (!is_tabled(path) || bases.count(std::string(deb::without_compression(path))) > 0)
            continue;
        const auto table = Table::open(tables / table_name(generation->release(), file));
        if (table) {
            bases.insert(std::string(deb::without_compression(path)));
            generation =
                generation->with_table(std::string(deb::without_compression(path)), *table);
        } else if (table.error().code() != Errc::not_found) {
            log_warning("table.damaged", {}, table.error().message());
        }
    }
    return generation;
}

Result<std::map<std::string, ArchiveDecisions>> read_decisions(const std::filesystem::path& state)
{
    TRY(auto decided, replay_of(state));
    return std::move(decided.archives);
}

Result<Held> read_held(const std::filesystem::path& state)
{
    TRY(auto decided, replay_of(state));
    Held held;
    held.suites = std::move(decided.suites);
    held.decisions = std::move(decided.archives);
    const Releases releases = Releases::look_at(state);
    for (const auto& [key, suite] : held.suites) {
        SuiteView view;
        const std::set<std::string> journalled = suite.releases();
        const auto oldest = suite.timeline.rbegin() +
                            std::min<std::ptrdiff_t>(kMostRead, std::ssize(suite.timeline));
        for (auto published = suite.timeline.rbegin(); published != oldest; ++published) {
            const std::string& id = published->release;
            auto generation = recall_generation(releases, id, journalled, published->signers);
            if (!generation) {
                log_warning("release.lost", {{"release", id}}, generation.error().message());
                continue;
            }
            GenerationPtr whole = with_tables(std::move(*generation), state / "tables");
            if (published == suite.timeline.rbegin())
                view.current = std::move(whole);
            else
                view.recent.push_back(std::move(whole));
        }
        held.archives[key.first].suites[key.second] = std::move(view);
    }
    return held;
}

}  // namespace aptward::catalog
