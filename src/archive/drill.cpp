// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/drill.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"

namespace aptward::archive {
namespace {

using Kind = fetch::Disturbance::Kind;
using Whom = fetch::Disturbed::Whom;

constexpr std::chrono::milliseconds kSettle{500};  // what was disturbed has ended by then
constexpr std::chrono::seconds kLookLimit{10};
constexpr std::chrono::seconds kRefreshLimit{3};  // guess

std::string describe(const RunningDrill& drill)
{
    return fmt::format("{} of {}: {}{}", drill.kind, drill.archive, fmt::join(drill.sources, ", "),
                       drill.is_alone ? ", and nobody else is asked" : "");
}

}  // namespace

Result<void> Drill::check(const Archive& archive, const DrillOrder& order) const
{
    const std::string& id = archive.settings().id;
    if (order.kind == Kind::lie && archive.settings().verify != Verify::enforce)
        return fail(Errc::malformed, id + " is not verified: clients would be given the lies");
    if (order.limit.count() < 1 || order.limit > kLongestDrill)
        return fail(Errc::malformed,
                    fmt::format("a drill takes from 1 to {} seconds", kLongestDrill.count()));
    const auto& sources = archive.sources();
    for (const std::string& url : order.whom.urls)
        if (std::none_of(sources.begin(), sources.end(),
                         [&](const fetch::SourcePtr& source) { return source->url() == url; }))
            return fail(Errc::malformed, printable(url) + " is no source of " + id);
    if (sources.empty() || (order.whom.whom == Whom::named && order.whom.urls.empty()))
        return fail(Errc::malformed, "no source of " + id + " is meant");
    return {};
}

http::Task<RunningDrillPtr> Drill::start(std::shared_ptr<Archive> archive, DrillOrder order)
{
    const auto fit = check(*archive, order);
    if (!fit)
        co_return tl::unexpected<Error>(fit.error());
    const RunningDrillPtr other = running_.load();
    if (other != nullptr || is_starting_)
        co_return fail(Errc::unavailable, other != nullptr
                                              ? fmt::format("a drill runs already, by {} ({})",
                                                            other->who, describe(*other))
                                              : "a drill is beginning");
    is_starting_ = true;
    const auto begun = [](bool* is_starting) { *is_starting = false; };
    const std::unique_ptr<bool, decltype(begun)> starting(&is_starting_, begun);
    auto disturbance = std::make_shared<fetch::Disturbance>(order.kind);
    auto sources = archive->sources();
    auto stand_ins =
        co_await services_.fetcher.stand_ins(std::move(sources), order.whom, disturbance);
    if (!stand_ins)
        co_return tl::unexpected<Error>(stand_ins.error());
    // One that runs, as after the drill before, asks the sources: a client would join it, and meet
    // nothing of this drill.
    co_await archive->wait_for_refreshes(steady_now() + kRefreshLimit);
    auto drill = std::make_shared<RunningDrill>();
    drill->number = ++last_number_;
    drill->archive = archive->settings().id;
    drill->kind = to_string(order.kind);
    drill->who = order.who;
    drill->is_alone = order.is_alone;
    drill->since = system_now();
    drill->until = drill->since + order.limit;
    for (const fetch::SourcePtr& source : *stand_ins)
        if (source->was_disturbed())
            drill->sources.push_back(source->url());
    archive_ = archive;
    disturbance_ = std::move(disturbance);
    archive_->ask_instead(std::move(*stand_ins), order.is_alone);
    drill->has_others = archive_->has_others();
    running_.store(drill);
    tell("drill.started", *drill, order.who,
         fmt::format("for {} s at most, by {}", order.limit.count(), order.who));
    http::spawn(services_.control, "ending a drill",
                end_in_time(drill->number, steady_now() + order.limit));
    co_return RunningDrillPtr(drill);
}

http::Task<std::uint64_t> Drill::end(std::int64_t number, std::string who)
{
    const RunningDrillPtr drill = running_.load();
    if (drill == nullptr || (number != 0 && drill->number != number))
        co_return fail(Errc::not_found, "there is no such drill");
    // What goes on with the stand-ins meets no disturbance from here on.
    disturbance_->is_over = true;
    archive_->ask_sources();
    running_.store(nullptr);
    const std::uint64_t met = disturbance_->met;
    tell("drill.ended", *drill, who, fmt::format("ended by {}; {} transfers met it", who, met));
    http::spawn(services_.control, "looking after a drill", look_again(archive_));
    archive_.reset();
    co_return met;
}

http::Async<void> Drill::end_in_time(std::int64_t number, SteadyTime time)
{
    co_await http::sleep_until(time);
    co_await end(number, "node");
}

// What became new meanwhile is there before the next silence, and what the last look found was the
// drill's doing.
http::Async<void> Drill::look_again(std::shared_ptr<Archive> archive)
{
    co_await http::sleep_until(steady_now() + kSettle);
    const auto view = archive->view();
    for (const auto& [suite, state] : view->suites) {
        const SteadyTime deadline = steady_now() + kLookLimit;
        co_await archive->refresh(suite, deadline);
    }
}

void Drill::tell(const char* code, const RunningDrill& drill, std::string who,
                 const std::string& more) const
{
    catalog::Event event;
    event.code = code;
    event.archive = drill.archive;
    event.message = describe(drill) + "; " + more;
    event.who = std::move(who);
    event.evidence = fmt::format("drill {}", drill.number);  // none is like the one before
    services_.events.add(std::move(event));
}

}  // namespace aptward::archive
