// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/past.h"

#include <fmt/format.h>

#include <algorithm>

#include "archive/archive.h"
#include "archive/hot_answers.h"
#include "archive/suite.h"
#include "base/text.h"

namespace aptward::archive {
namespace {

constexpr std::chrono::seconds kComposeLimit{9};  // well inside apt's 30 s
constexpr std::chrono::seconds kTryAgain{10};

// The view with `generation` in the place of the one that has its id; null when it has none.
PastViewPtr with_generation(const PastViewPtr& past, const std::string& suite,
                            const catalog::GenerationPtr& generation)
{
    const catalog::SuiteView* known = past->view.find(suite);
    if (known == nullptr || !known->current || known->current->id() != generation->id())
        return nullptr;
    auto copy = std::make_shared<PastView>(*past);
    copy->view.suites[suite].current = generation;
    return copy;
}

}  // namespace

Past::Past(Archive& archive)
    : archive_(archive),
      moments_(std::make_shared<const Moments>()),
      views_(std::make_shared<const Views>())
{
}

std::optional<SystemTime> Past::time_of(std::string_view text) const
{
    const auto moments = moments_.load();
    if (const auto named = moments->names.find(std::string(text)); named != moments->names.end())
        return named->second;
    return catalog::parse_stamp(text);
}

Past::Moment Past::find(std::string_view text) const
{
    if (const auto time = time_of(text))
        return find(*time, text);
    Moment moment;
    moment.code = "snapshot.unknown";
    moment.message =
        printable(text) +
        " is neither a moment such as 20260430T120000Z nor the name of a snapshot of " +
        archive_.settings_.id + " (aptward snapshot list)";
    return moment;
}

Past::Moment Past::find(SystemTime time) const
{
    return find(time, catalog::format_stamp(time));
}

Past::Moment Past::find(SystemTime time, std::string_view as_written) const
{
    const auto moments = moments_.load();
    const auto& changes = moments->changes;
    Moment moment;
    if (time > system_now()) {
        moment.code = "snapshot.future";
        moment.message = printable(as_written) + " is still to come";
    } else if (changes.empty() || time < changes.front()) {
        moment.code = "snapshot.before-first";
        moment.message =
            fmt::format("{} is before the first state of {} that this node has: {}",
                        printable(as_written), archive_.settings_.id,
                        changes.empty() ? "it has none" : catalog::format_stamp(changes.front()));
    } else {
        moment.change = *std::prev(std::upper_bound(changes.begin(), changes.end(), time));
    }
    return moment;
}

PastViewPtr Past::known_view(SystemTime change) const
{
    const auto views = views_.load();
    for (const PastViewPtr& view : *views)
        if (view->at == change)
            return view;
    return nullptr;
}

PastViewPtr Past::newest(const PastViewPtr& past) const
{
    const FrozenPtr frozen = frozen_.load();
    if (past->is_frozen)
        return frozen && frozen->past->at == past->at ? frozen->past : past;
    const PastViewPtr known = known_view(past->at);
    if (known == nullptr || past->lost.empty())
        return known != nullptr ? known : past;
    auto without = std::make_shared<PastView>(*known);
    for (const auto& [suite, why] : past->lost)
        without->view.suites.erase(suite);
    without->lost = past->lost;
    return without;
}

http::Async<PastViewPtr> Past::view_at(SystemTime change)
{
    if (auto known = known_view(change))
        co_return known;
    auto make = [archive = archive_.shared_from_this(), this, change]() -> http::Task<PastViewPtr> {
        auto view = co_await compose_in_turn(change);
        co_return view;
    };
    const SteadyTime deadline = steady_now() + kComposeLimit;
    auto composed = co_await http::on_loop(archive_.services_.control, "composing a snapshot",
                                           std::move(make), deadline);
    co_return composed ? std::move(*composed) : nullptr;
}

http::Async<PastViewPtr> Past::compose_in_turn(SystemTime change)
{
    co_await composing_.take();
    const Turns::Held turn(composing_);
    if (auto known = known_view(change))
        co_return known;
    const FrozenPtr frozen = frozen_.load();
    const std::uint64_t age = age_;
    const SystemTime known = frozen ? frozen->order.since : SystemTime::max();
    auto view = co_await compose(change, known, For::asked);
    // What is lost may be had another time, and what was composed of a state that is gone is not
    // for the next one.
    if (!view->lost.empty() || age != age_)
        co_return view;
    auto views = std::make_shared<Views>(*views_.load());
    views->push_front(view);
    if (views->size() > kViewsKept)
        views->pop_back();
    views_.store(std::move(views));
    co_return view;
}

// Of what was shown up to `known`. What a snapshot host has shown for an earlier moment stands for
// a freeze only as long as it stood; whoever asks for a moment has asked the hosts for that one.
http::Async<PastViewPtr> Past::compose(SystemTime at, SystemTime known, For purpose)
{
    auto past = std::make_shared<PastView>();
    past->at = at;
    std::vector<std::string> names;
    for (const auto& [name, suite] : archive_.suites_)
        if (catalog::find_at(suite->timeline(), suite->from_hosts(), at, known) != nullptr)
            names.push_back(name);
    for (const std::string& name : names) {
        const Suite& suite = archive_.suite(name);
        if (purpose == For::freeze &&
            !catalog::is_known_at(suite.timeline(), suite.from_hosts(), at, known)) {
            past->lost[name] = "no snapshot host has said which one that was";
            continue;
        }
        auto generation = co_await archive_.suite(name).generation_at(at, known);
        if (!generation) {
            past->lost[name] = generation.error().message();
            continue;
        }
        catalog::SuiteView& view = past->view.suites[name];
        view.current = *generation;
        view.checked = SteadyTime::max();  // it does not change, so it is never out of date
        view.checked_at = system_now();
    }
    co_return past;
}

catalog::GenerationPtr Past::find_generation(const std::string& suite, const std::string& id) const
{
    const auto in = [&](const PastView& past) -> catalog::GenerationPtr {
        const catalog::SuiteView* view = past.view.find(suite);
        return view != nullptr && view->current->id() == id ? view->current : nullptr;
    };
    if (const FrozenPtr frozen = frozen_.load())
        if (auto found = in(*frozen->past))
            return found;
    const auto views = views_.load();
    for (const PastViewPtr& view : *views)
        if (auto found = in(*view))
            return found;
    return nullptr;
}

void Past::replace(const std::string& suite, const catalog::GenerationPtr& generation)
{
    auto views = std::make_shared<Views>(*views_.load());
    for (PastViewPtr& view : *views)
        if (auto changed = with_generation(view, suite, generation))
            view = std::move(changed);
    views_.store(std::move(views));
    const FrozenPtr frozen = frozen_.load();
    if (!frozen)
        return;
    if (auto changed = with_generation(frozen->past, suite, generation))
        frozen_.store(std::make_shared<const Frozen>(Frozen{frozen->order, std::move(changed)}));
}

void Past::note_changes()
{
    std::set<SystemTime> changes;
    for (const auto& [name, suite] : archive_.suites_)
        for (const catalog::Timeline* each : {&suite->timeline(), &suite->from_hosts()})
            for (const catalog::Published& one : *each)
                changes.insert(one.date);
    auto moments = std::make_shared<Moments>(*moments_.load());
    moments->changes.assign(changes.begin(), changes.end());
    moments_.store(std::move(moments));
}

void Past::note_published(SystemTime date)
{
    ++age_;
    note_changes();
    auto views = std::make_shared<Views>(*views_.load());
    std::erase_if(*views, [&](const PastViewPtr& view) { return view->at >= date; });
    views_.store(std::move(views));
}

http::Async<void> Past::compose_again()
{
    forget();
    if (!frozen_.load())
        co_return;
    co_await composing_.take();
    const Turns::Held turn(composing_);
    if (const FrozenPtr frozen = frozen_.load()) {
        co_await freeze_in_turn(frozen->order);
    }
}

void Past::try_again()
{
    const FrozenPtr frozen = frozen_.load();
    const SteadyTime now = steady_now();
    SteadyTime last = tried_again_.load();
    if (!frozen || frozen->past->lost.empty() || now - last < kTryAgain ||
        !tried_again_.compare_exchange_strong(last, now))
        return;
    const auto compose = [](std::shared_ptr<Archive> archive) -> http::Async<void> {
        co_await archive->past().compose_again();
    };
    http::spawn(archive_.services_.control, "composing a freeze again",
                compose(archive_.shared_from_this()));
}

void Past::forget()
{
    ++age_;
    views_.store(std::make_shared<const Views>());
}

http::Async<void> Past::restore(catalog::ArchiveDecisions decisions)
{
    auto moments = std::make_shared<Moments>();
    moments->names = std::move(decisions.snapshots);
    moments_.store(std::move(moments));
    note_changes();
    co_await composing_.take();
    const Turns::Held turn(composing_);
    if (decisions.freeze) {
        catalog::ArchiveDecisions::Freeze order = *decisions.freeze;
        co_await freeze_in_turn(std::move(order));
        http::spawn(archive_.services_.control, "looking for clients with newer lists",
                    find_newer_clients(archive_.shared_from_this(), frozen_.load()));
    } else {
        thaw_in_turn();
    }
}

// What came after the order is not part of it, whatever date it has.
http::Async<void> Past::freeze_in_turn(catalog::ArchiveDecisions::Freeze order)
{
    auto past = co_await compose(order.at, order.since, For::freeze);
    auto frozen_to = std::make_shared<PastView>(*past);
    frozen_to->is_frozen = true;
    frozen_.store(std::make_shared<const Frozen>(Frozen{std::move(order), std::move(frozen_to)}));
    forget();
    archive_.services_.hot_answers.forget();
    archive_.tell_neighbours();
}

void Past::thaw_in_turn()
{
    frozen_.store(nullptr);
    forget();
    archive_.tell_neighbours();
}

SystemTime Past::time_to_publish() const
{
    const FrozenPtr frozen = frozen_.load();
    return frozen ? std::max(system_now(), frozen->order.since + std::chrono::seconds(1))
                  : system_now();
}

std::vector<PastGeneration> Past::generations() const
{
    std::vector<PastGeneration> all;
    for (const auto& [name, suite] : archive_.suites_)
        for (const catalog::Timeline* each : {&suite->timeline(), &suite->from_hosts()})
            for (const catalog::Published& one : *each)
                all.push_back({name, one});
    std::sort(all.begin(), all.end(), [](const PastGeneration& a, const PastGeneration& b) {
        return std::tie(a.published.date, a.suite, a.published.published) <
               std::tie(b.published.date, b.suite, b.published.published);
    });
    return all;
}

}  // namespace aptward::archive
