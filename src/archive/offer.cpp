// SPDX-License-Identifier: GPL-3.0-or-later
// Releases that come from no source: a bundle hands them in. They are judged and published exactly
// as those that a source shows, but nobody is charged for one that is refused.
#include <fmt/format.h>

#include <algorithm>

#include "archive/suite.h"

namespace aptward::archive {
namespace {

using Outcome = Offered::Outcome;

Offered not_served_here(const std::string& suite)
{
    return {Outcome::refused,
            {"suite.unknown", "this node's configuration does not serve the suite " + suite}};
}

}  // namespace

std::string_view to_string(Outcome outcome)
{
    switch (outcome) {
        case Outcome::published:
            return "published";
        case Outcome::known:
            return "known";
        case Outcome::older:
            return "older";
        case Outcome::held:
            return "held";
        case Outcome::refused:
            return "refused";
    }
    return "";
}

// What is older than what is served is no attack in a bundle: it was newest when that was made.
Offered Suite::describe(const trust::Judgement& judgement) const
{
    const auto is_this = [&](const catalog::GenerationPtr& one) {
        return one->id() == judgement.id;
    };
    const bool is_current = view_.current && is_this(view_.current);
    const bool is_recent = std::any_of(view_.recent.begin(), view_.recent.end(), is_this);
    const bool is_older = view_.current && judgement.date < view_.current->date() &&
                          floor_.approved.count(judgement.id) == 0;
    Offered offered{Outcome::refused, judgement.verdict};
    if (is_current || is_recent)
        offered.outcome = Outcome::known;
    else if (judgement.verdict.code == "release.rollback" || (judgement.is_accepted() && is_older))
        offered.outcome = Outcome::older;
    else if (judgement.is_accepted())
        offered.outcome = Outcome::published;
    return offered;
}

http::Async<Offered> Suite::assess(catalog::ReleaseFiles files, std::string origin)
{
    const auto judgement = co_await judge(std::move(origin), std::move(files));
    co_return describe(judgement);
}

http::Async<Offered> Suite::offer(catalog::ReleaseFiles files, std::string origin,
                                  std::vector<std::string> indexes)
{
    Observation observation;
    observation.origin = origin;
    observation.files = files;
    auto judgement = co_await judge(origin, files);
    observation.judgement = std::move(judgement);
    const std::string id = observation.judgement.id;
    Offered offered = describe(observation.judgement);
    if (offered.outcome == Outcome::refused)
        refuse(observation);
    if (offered.outcome == Outcome::published) {
        co_await adopt(std::move(observation));
        if (!view_.current || view_.current->id() != id)
            offered = {Outcome::held, {"release.held", held_.empty() ? verdict_.message : held_}};
    }
    if (!view_.current || view_.current->id() != id)
        co_return offered;
    for (const std::string& path : indexes)
        if (view_.current->release().find(path) != nullptr) {
            co_await adopt_index(id, path);
        }
    co_return offered;
}

bool Archive::may_be_offered(const std::string& name)
{
    return may_have_suite(name) && has_room_for(name);
}

http::Async<Offered> Archive::assess(std::string name, catalog::ReleaseFiles files,
                                     std::string origin)
{
    if (!may_be_offered(name))
        co_return not_served_here(name);
    // A name that is made up is not remembered for having been asked about.
    if (suites_.count(name) == 0) {
        Suite passing(*this, name);
        co_return co_await passing.assess(std::move(files), std::move(origin));
    }
    Suite& target = suite(name);
    co_return co_await target.assess(std::move(files), std::move(origin));
}

http::Async<Offered> Archive::offer(std::string name, catalog::ReleaseFiles files,
                                    std::string origin, std::vector<std::string> indexes)
{
    if (!may_be_offered(name))
        co_return not_served_here(name);
    Suite& target = suite(name);
    co_return co_await target.offer(std::move(files), std::move(origin), std::move(indexes));
}

}  // namespace aptward::archive
