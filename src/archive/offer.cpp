// SPDX-License-Identifier: GPL-3.0-or-later
// Releases that come from no source: a bundle hands them in. They are judged and published exactly
// as those that a source shows, but nobody is charged for one that is refused.
#include <fmt/format.h>

#include <algorithm>

#include "archive/counted.h"
#include "archive/suite.h"

namespace aptward::archive {
namespace {

using Outcome = Offered::Outcome;
using std::chrono::milliseconds;

Offered not_served_here(const std::string& suite)
{
    return {Outcome::refused,
            {"suite.unknown", "this node's configuration does not serve the suite " + suite}};
}

}  // namespace

bool is_nobodys(const std::string& code)
{
    return code == "release.malformed" || code == "release.portal" || code == "release.unsigned" ||
           code == "release.bad-signature" || code == "release.other";
}

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
    const Counted working(asks_running_);  // keeps this suite, as in the next ones
    const auto judgement = co_await judge(std::move(origin), std::move(files));
    co_return describe(judgement);
}

http::Async<Offered> Suite::offer(catalog::ReleaseFiles files, std::string origin,
                                  std::vector<std::string> indexes)
{
    const Counted working(asks_running_);
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

namespace {

constexpr std::chrono::seconds kAskedLately{60};
constexpr milliseconds kSourcesFirst{3000};

}  // namespace

bool Suite::wants_shown(const std::string& release_id, SystemTime date) const
{
    // Another one of the same moment is no news, but somebody has to know of it.
    return !view_.current || (view_.current->id() != release_id && view_.current->date() <= date);
}

http::Async<Offered> Suite::take_shown(std::string id, catalog::ReleaseFiles files,
                                       fetch::SourcePtr peer)
{
    const Counted working(asks_running_);
    // What the sources show may be newer by much, after a night without any.
    if (view_.current && steady_now() - last_try_ > kAskedLately) {
        co_await archive_.refresh(name_, steady_now() + kSourcesFirst);
    }
    if (archive_.settings_.pins_first_signer && !floor_.date)
        co_return Offered{Outcome::refused,
                          {"peer.first-signer", "the first signer of a suite is no peer's to say"}};
    Observation observation;
    observation.origin = peer->url();
    observation.is_from_peer = true;
    observation.files = files;
    if (const auto text = split_release(files); text && trust::release_id(text->text) != id) {
        observation.judgement.verdict = {"release.other", "it is another release than was told"};
        refuse_shown(observation, peer);
        co_return Offered{Outcome::refused, observation.judgement.verdict};
    }
    auto judgement = co_await judge_under(std::move(files), archive_.settings_.keyring,
                                          archive_.policy(archive_.settings_),
                                          trust::Freshness::live, system_now());
    observation.judgement = std::move(judgement);
    note_seen(observation.judgement);
    Offered offered = describe(observation.judgement);
    if (offered.outcome == Outcome::refused)
        refuse_shown(observation, peer);
    if (offered.outcome != Outcome::published)
        co_return offered;
    co_await adopt(std::move(observation));
    if (!view_.current || view_.current->id() != id)
        offered = {Outcome::held, {"release.held", held_.empty() ? verdict_.message : held_}};
    co_return offered;
}

// Another node may have another policy or a wrong clock. Two releases of one moment are everybody's
// concern: both are kept.
void Suite::refuse_shown(const Observation& observation, const fetch::SourcePtr& peer)
{
    const trust::Verdict& verdict = observation.judgement.verdict;
    if (verdict.code == "release.equivocation")
        return tell_refused(observation);
    event("peer.release-refused", observation.origin, verdict.code + ": " + verdict.message,
          observation.judgement.id);
    if (is_nobodys(verdict.code))
        services_.fetcher.charge(peer, fetch::Fault::untrusted, name_ + ": " + verdict.message);
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

bool Archive::wants_shown(const std::string& name, const std::string& release_id,
                          SystemTime date) const
{
    const auto found = suites_.find(name);
    if (!may_ask_others())
        return false;
    return found == suites_.end() ? is_known(name) : found->second->wants_shown(release_id, date);
}

// A suite that neither clients nor the configuration name is not remembered for a peer's word.
http::Async<Offered> Archive::take_shown(std::string name, std::string id,
                                         catalog::ReleaseFiles files, fetch::SourcePtr peer)
{
    const bool is_wanted = suites_.count(name) > 0 || is_known(name);
    if (!may_ask_others() || !is_wanted || !may_be_offered(name))
        co_return not_served_here(name);
    Suite& target = suite(name);
    co_return co_await target.take_shown(std::move(id), std::move(files), std::move(peer));
}

}  // namespace aptward::archive
