// SPDX-License-Identifier: GPL-3.0-or-later
// From a path to proven bytes as they were at a moment: for who asks for that moment, and for
// everybody while the archive is frozen. No suite is refreshed here.
#include <fmt/format.h>

#include <algorithm>

#include "archive/archive.h"
#include "archive/offered.h"
#include "archive/past.h"
#include "archive/rings.h"
#include "archive/send.h"
#include "archive/suite.h"

namespace aptward::archive {
namespace {

constexpr std::chrono::seconds kLookLimit{9};  // well inside apt's 30 s

}  // namespace

// Stands in every answer.
FrozenPtr Archive::tell_frozen(http::Exchange& exchange) const
{
    FrozenPtr frozen = past_->frozen();
    if (frozen)
        exchange.add_header("Aptward-Frozen", catalog::format_stamp(frozen->order.at));
    return frozen;
}

http::Async<void> Archive::serve_snapshot(http::Exchange& exchange, std::string moment,
                                          std::string path)
{
    const bool is_admitted = co_await admit(exchange, path);
    if (!is_admitted)
        co_return;
    const FrozenPtr frozen = tell_frozen(exchange);
    NotHad not_had;
    const auto time = past_->time_of(moment);
    if (time && !snapshot_hosts_.empty()) {
        not_had = co_await ask_snapshot_hosts(*time, suites_of(path));
    }
    const Past::Moment found = past_->find(moment);
    if (frozen && found.change && *found.change > frozen->order.at) {
        co_await send_refusal(exchange, 403, "freeze.later",
                              fmt::format("{} is frozen to {}, and this is a later state",
                                          settings_.id, catalog::format_stamp(frozen->order.at)),
                              services_.counters);
        co_return;
    }
    auto at = co_await at_moment(std::move(moment), std::move(not_had));
    if (at.past == nullptr && at.status == 503 && snapshot_hosts_.empty() && !found.change) {
        co_await send_lasting_refusal(exchange, at.code, at.message, services_.counters);
        co_return;
    }
    if (at.past == nullptr) {
        co_await send_refusal(exchange, at.status, at.code, at.message, services_.counters);
        co_return;
    }
    exchange.add_header("Aptward-Snapshot", catalog::format_stamp(at.past->at));
    co_await serve_past(exchange, std::move(path), at.past, Because::asked_for);
}

http::Async<AtMoment> Archive::at_moment(std::string moment, NotHad not_had)
{
    const Past::Moment found = past_->find(moment);
    AtMoment at;
    if (!found.change) {
        // What was before this node's time is not known to be absent.
        at.status = found.code == "snapshot.before-first" ? 503 : 404;
        at.code = found.code;
        at.message = found.message + (not_had.empty() ? "" : "; " + not_had.begin()->second);
        co_return at;
    }
    at.past = co_await past_->view_at(*found.change);
    if (at.past == nullptr) {
        at.status = 503;
        at.code = "snapshot.slow";
        at.message = "the state of that moment is still being put together, ask again";
    } else if (!not_had.empty()) {
        // The release before stands for nothing here: there may have been any number since.
        auto known = std::make_shared<PastView>(*at.past);
        for (const auto& [suite, why] : not_had) {
            known->view.suites.erase(suite);
            known->lost[suite] = why;
        }
        at.past = std::move(known);
    }
    co_return at;
}

http::Async<AtMoment> Archive::look_at_moment(std::string moment)
{
    NotHad not_had;
    const auto time = past_->time_of(moment);
    if (time && !snapshot_hosts_.empty()) {
        std::vector<std::string> suites;
        for (const auto& [suite, state] : view_.load()->suites)
            suites.push_back(suite);
        not_had = co_await ask_snapshot_hosts(*time, std::move(suites));
    }
    co_return co_await at_moment(std::move(moment), std::move(not_had));
}

// The suite that a path names; a package may be in any.
std::vector<std::string> Archive::suites_of(const std::string& path) const
{
    std::vector<std::string_view> names;
    const auto view = view_.load();
    for (const auto& [suite, state] : view->suites)
        names.push_back(suite);
    const Name name = read_name(path, names);
    if (name.kind != Name::Kind::pool)
        return {name.suite};
    return {names.begin(), names.end()};
}

http::Async<Archive::NotHad> Archive::ask_snapshot_hosts(SystemTime moment,
                                                         std::vector<std::string> suites)
{
    auto make = [self = shared_from_this(), moment, suites]() -> http::Task<NotHad> {
        auto not_had = co_await self->past().look_at_hosts(moment, suites);
        co_return not_had;
    };
    const SteadyTime deadline = steady_now() + kLookLimit;
    auto answer = co_await http::on_loop(services_.control, "asking snapshot hosts",
                                         std::move(make), deadline);
    if (answer)
        co_return std::move(*answer);
    NotHad not_had;
    for (const std::string& suite : suites)
        not_had[suite] = "its snapshot hosts are still being asked, ask again";
    co_return not_had;
}

// A ring may be further behind than the generations at hand. False for what these name as well.
http::Async<bool> Archive::serve_ring_pool(http::Exchange& exchange, const Name& name,
                                           std::size_t ring)
{
    auto past = std::make_shared<PastView>();
    past->view = rings_->view(ring);
    const auto now = view_.load()->find_pool(name.rest);
    if (past->view.suites.empty() || (now && *now))
        co_return false;
    auto found = past->view.find_pool(name.rest);
    if (found && !*found) {
        const bool is_known = co_await look_for_past(name.rest, past);
        found = rings_->view(ring).find_pool(name.rest);
        if (is_known && found && !*found)
            co_return false;
    }
    if (found && *found) {
        co_await send_past_file(exchange, name, **found, past->view);
        co_return true;
    }
    co_await send_refusal(exchange, 503, "pool.unknown",
                          fmt::format("whether {} has {} for this ring is not known: an index that "
                                      "may list it cannot be read now",
                                      settings_.id, name.rest),
                          services_.counters);
    co_return true;
}

// What a client of a ring gets of a suite whose current generation is not for it yet. False when
// that is served as to everybody.
http::Async<bool> Archive::serve_ring(http::Exchange& exchange, const Name& name, std::size_t ring)
{
    if (ring > 0 && name.kind == Name::Kind::pool) {
        co_return co_await serve_ring_pool(exchange, name, ring);
    }
    const RingPlace place = rings_->find(ring, name.suite);
    if (!place.current)
        co_return false;
    const std::string& client = exchange.principal().address;
    catalog::SuiteView view;
    view.current = place.current;
    view.checked = SteadyTime::max();
    view.checked_at = system_now();
    if (place.previous)
        view.recent.push_back(place.previous);
    // A client that has fetched the release before gets that one's indexes for some minutes.
    const catalog::GenerationPtr pinned = pinned_generation(client, name.suite, view);
    if (name.kind == Name::Kind::release_file) {
        const catalog::GenerationPtr& chosen = name.rest == "Release.gpg" ? pinned : place.current;
        if (name.rest != "Release.gpg")
            pins_->note(client, name.suite, chosen->id());
        co_await send_release_file(exchange, name, view, *chosen);
        co_return true;
    }
    if (find_offered(*pinned, name) == nullptr && !is_patch(name.rest))
        co_return false;  // by-hash of another generation, or a package of a flat repository
    co_await send_index(exchange, name, pinned);
    co_return true;
}

http::Async<void> Archive::serve_past(http::Exchange& exchange, std::string path, PastViewPtr past,
                                      Because why)
{
    std::vector<std::string_view> suites;
    for (const auto& [suite, state] : past->view.suites)
        suites.push_back(suite);
    for (const auto& [suite, reason] : past->lost)
        suites.push_back(suite);
    const Name name = read_name(path, suites);
    if (name.kind != Name::Kind::pool && !may_have_suite(name.suite)) {
        co_await send_refusal(exchange, 404, "suite.not-configured",
                              fmt::format("the suite {} of {} is not among the configured ones",
                                          name.suite, settings_.id),
                              services_.counters);
        co_return;
    }
    if (why == Because::frozen) {
        const bool is_auxiliary = co_await serve_auxiliary(exchange, name, path);
        if (is_auxiliary)
            co_return;
    }
    if (name.kind == Name::Kind::pool) {
        co_await serve_past_pool(exchange, name, past, why);
        co_return;
    }
    co_await serve_past_suite(exchange, name, past, why);
}

http::Async<void> Archive::serve_past_suite(http::Exchange& exchange, const Name& name,
                                            PastViewPtr past, Because why)
{
    const catalog::SuiteView* suite = past->view.find(name.suite);
    if (suite == nullptr) {
        co_await refuse_lost(exchange, name, past);
        co_return;
    }
    const catalog::GenerationPtr generation = suite->current;
    if (name.kind == Name::Kind::release_file) {
        if (why == Because::frozen)
            note_frozen_client(exchange, name, *generation);
        co_await send_release_file(exchange, name, *suite, *generation);
        co_return;
    }
    if (name.kind == Name::Kind::index && is_in_flat_pool(*generation, name)) {
        const Name in_pool = as_pool(name);
        co_await serve_past_pool(exchange, in_pool, past, why);
        co_return;
    }
    if (name.kind == Name::Kind::by_hash && find_offered(*generation, name) == nullptr) {
        const bool is_refused = co_await refuse_later(exchange, name, why);
        if (is_refused)
            co_return;
    }
    co_await send_index(exchange, name, generation);
}

// apt names the date of the list that it has: a newer one it keeps, whatever it gets.
void Archive::note_frozen_client(const http::Exchange& exchange, const Name& name,
                                 const catalog::Generation& generation)
{
    const std::string& client = exchange.principal().address;
    pins_->note(client, name.suite, generation.id());  // for the moment after a thaw
    const auto since = exchange.head().header("If-Modified-Since");
    const auto date = since ? http::parse_http_date(*since) : std::nullopt;
    if (date && *date > generation.date())
        past_->note_newer(client, name.suite);
    else
        past_->note_none(client, name.suite);
}

http::Async<void> Archive::serve_past_pool(http::Exchange& exchange, const Name& name,
                                           PastViewPtr past, Because why)
{
    auto found = past->view.find_pool(name.rest);
    bool is_known = true;
    if (found && !*found) {
        is_known = co_await look_for_past(name.rest, past);
        found = past_->newest(past)->view.find_pool(name.rest);
    }
    if (!found) {
        co_await send_refusal(
            exchange, 503, "table.unreadable",
            "what this archive listed then cannot be read now: " + found.error().message(),
            services_.counters);
        co_return;
    }
    if (!*found) {
        const bool is_refused = co_await refuse_later(exchange, name, why);
        if (is_refused)
            co_return;
        if (!is_known) {
            co_await send_refusal(exchange, 503, "pool.unknown",
                                  fmt::format("whether {} had {} then is not known: an index that "
                                              "may list it is not held",
                                              settings_.id, name.rest),
                                  services_.counters);
            co_return;
        }
        co_await send_refusal(exchange, 404, "pool.absent",
                              fmt::format("no index of {} listed {} then", settings_.id, name.rest),
                              services_.counters);
        co_return;
    }
    co_await send_past_file(exchange, name, **found, past_->newest(past)->view);
}

http::Async<void> Archive::send_past_file(http::Exchange& exchange, const Name& name, Digest digest,
                                          catalog::ArchiveView past)
{
    fetch::Want want = want_of_pool(digest, name.rest);
    for (const auto& [suite, view] : past.suites) {
        const auto listed = view.current->find_pool(name.rest);
        if (listed && *listed == digest) {
            want_elsewhere(want, *view.current);
            break;
        }
    }
    Provenance provenance;
    provenance.modified = modified_of(digest);
    provenance.archive = settings_.id;
    provenance.path = name.rest;
    const bool is_sent = co_await send_wanted(exchange, std::move(want), provenance, services_);
    if (is_sent)
        co_return;
    co_await send_refusal(
        exchange, 503, "pool.gone",
        fmt::format("{} was in {} then, but it is not held, and no source has it any more",
                    name.rest, settings_.id),
        services_.counters);
}

// False when an index that may list it is not to be had.
http::Async<bool> Archive::look_for_past(std::string path, PastViewPtr past)
{
    auto make = [self = shared_from_this(), path, past]() -> http::Task<bool> {
        bool all = true;
        for (const auto& [name, suite] : past->view.suites) {
            const std::string id = suite.current->id();
            const bool one = co_await self->suite(name).look_for(id, path);
            all = all && one;
        }
        // A suite of which nothing of then is known may have had it.
        const std::size_t known = past->view.suites.size();
        const auto now = self->view();
        const auto has_current = [](const auto& suite) { return suite.second.current != nullptr; };
        const auto served = std::count_if(now->suites.begin(), now->suites.end(), has_current);
        co_return all && past->lost.empty() && known >= static_cast<std::size_t>(served);
    };
    const SteadyTime deadline = steady_now() + kLookLimit;
    const auto known =
        co_await http::on_loop(services_.control, "looking for " + path, std::move(make), deadline);
    co_return known && *known;
}

// A client whose lists are newer than the freeze must not install what it keeps out. True when it
// was answered.
http::Async<bool> Archive::refuse_later(http::Exchange& exchange, const Name& name, Because why)
{
    const FrozenPtr frozen = past_->frozen();
    if (why != Because::frozen || !frozen)
        co_return false;
    bool is_later = false;
    const auto view = view_.load();
    if (name.kind == Name::Kind::pool) {
        const auto now = view->find_pool(name.rest);
        is_later = now && *now;
    } else if (const catalog::SuiteView* suite = view->find(name.suite)) {
        is_later = suite->current && find_offered(*suite->current, name) != nullptr;
        for (const catalog::GenerationPtr& recent : suite->recent)
            is_later = is_later || find_offered(*recent, name) != nullptr;
    }
    if (!is_later)
        co_return false;
    co_await send_refusal(
        exchange, 403, "freeze.later",
        fmt::format("{} is frozen to {}, and only a later release names {}: remove what is in "
                    "/var/lib/apt/lists on this client, then update",
                    settings_.id, catalog::format_stamp(frozen->order.at), name.rest),
        services_.counters);
    co_return true;
}

http::Async<void> Archive::refuse_lost(http::Exchange& exchange, const Name& name, PastViewPtr past)
{
    if (const auto lost = past->lost.find(name.suite); lost != past->lost.end()) {
        past_->try_again();
        co_await send_refusal(exchange, 503, "snapshot.lost",
                              fmt::format("the release that {} of {} had then is not to be had: {}",
                                          name.suite, settings_.id, lost->second),
                              services_.counters);
        co_return;
    }
    co_await send_refusal(exchange, 503, "snapshot.unknown-suite",
                          fmt::format("no release of {} of {} from before {} is known here",
                                      name.suite, settings_.id, catalog::format_stamp(past->at)),
                          services_.counters);
}

}  // namespace aptward::archive
