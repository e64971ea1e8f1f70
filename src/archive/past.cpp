// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/past.h"

#include <fmt/format.h>

#include <algorithm>

#include "archive/archive.h"
#include "archive/deliveries.h"
#include "archive/hot_answers.h"
#include "archive/suite.h"
#include "base/text.h"

namespace aptward::archive {
namespace {

constexpr std::chrono::seconds kComposeLimit{9};  // well inside apt's 30 s
constexpr std::chrono::seconds kTryAgain{10};
constexpr std::size_t kMostNames = 1000;
constexpr std::size_t kMostNewer = 10'000;
constexpr std::size_t kMostDeliveries = 100'000;

bool is_snapshot_name(std::string_view text)
{
    const auto is_fit = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    };
    return !text.empty() && text.size() <= 64 && (text[0] < '0' || text[0] > '9') &&
           text[0] != '.' && std::all_of(text.begin(), text.end(), is_fit);
}

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

using Clients = std::set<std::pair<std::string, std::string>>;  // with the suite

// Those who got one of `later`.
Clients clients_with(const std::set<std::string>& later, const std::string& archive,
                     const std::vector<store::KeptDelivery>& deliveries)
{
    Clients clients;
    for (const store::KeptDelivery& delivery : deliveries)
        if (delivery.archive == archive && delivery.is_complete &&
            later.count(delivery.generation) > 0)
            clients.emplace(delivery.client, read_name(delivery.path, {}).suite);
    return clients;
}

}  // namespace

Past::Past(Archive& archive)
    : archive_(archive),
      moments_(std::make_shared<const Moments>()),
      views_(std::make_shared<const Views>())
{
}

Past::Moment Past::find(std::string_view text) const
{
    const auto moments = moments_.load();
    if (const auto named = moments->names.find(std::string(text)); named != moments->names.end())
        return find(named->second, text);
    if (const auto time = catalog::parse_stamp(text))
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
    return known != nullptr ? known : past;
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
    auto view = co_await compose(change, known);
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

// Of what was shown up to `known`.
http::Async<PastViewPtr> Past::compose(SystemTime at, SystemTime known)
{
    auto past = std::make_shared<PastView>();
    past->at = at;
    std::vector<std::string> names;
    for (const auto& [name, suite] : archive_.suites_)
        if (catalog::find_at(suite->timeline(), at, known) != nullptr)
            names.push_back(name);
    for (const std::string& name : names) {
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
        for (const catalog::Published& one : suite->timeline())
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
    auto past = co_await compose(order.at, order.since);
    auto frozen_to = std::make_shared<PastView>(*past);
    frozen_to->is_frozen = true;
    frozen_.store(std::make_shared<const Frozen>(Frozen{std::move(order), std::move(frozen_to)}));
    forget();
    archive_.services_.hot_answers.forget();
}

void Past::thaw_in_turn()
{
    frozen_.store(nullptr);
    forget();
}

SystemTime Past::time_to_publish() const
{
    const FrozenPtr frozen = frozen_.load();
    return frozen ? std::max(system_now(), frozen->order.since + std::chrono::seconds(1))
                  : system_now();
}

// From the delivery record: apt keeps a newer list that it has and says nothing (archive-reality
// 16), so an operator has to know whose lists to purge.
http::Async<void> Past::find_newer_clients(std::shared_ptr<Archive> archive, FrozenPtr frozen)
{
    std::set<std::string> later;
    SystemTime since = frozen->order.since;
    for (const auto& [name, suite] : archive->suites_)
        for (const catalog::Published& one : suite->timeline())
            if (one.date > frozen->order.at && one.published <= frozen->order.since) {
                later.insert(one.release);
                since = std::min(since, one.published);
            }
    if (later.empty())
        co_return;
    auto look = [folder = archive->services_.deliveries.folder(), id = archive->settings_.id, later,
                 since] {
        Clients clients;
        for (const char* name : {"InRelease", "Release"}) {
            store::DeliveryQuery query;
            query.path = name;
            query.since_ms = to_unix(since) * 1000;
            query.limit = kMostDeliveries;
            if (const auto found = store::find_deliveries(folder, query))
                clients.merge(clients_with(later, id, found->deliveries));
        }
        return clients;
    };
    auto clients = co_await http::on_worker(archive->services_.workers, std::move(look));
    const std::lock_guard lock(newer_mutex_);
    newer_.merge(clients);
}

void Past::note_newer(const std::string& client, const std::string& suite)
{
    const std::lock_guard lock(newer_mutex_);
    if (newer_.size() < kMostNewer)
        newer_.emplace(client, suite);
}

void Past::note_none(const std::string& client, const std::string& suite)
{
    const std::lock_guard lock(newer_mutex_);
    newer_.erase({client, suite});
}

std::vector<std::string> Past::newer_clients() const
{
    std::set<std::string> clients;
    const std::lock_guard lock(newer_mutex_);
    for (const auto& [client, suite] : newer_)
        clients.insert(client);
    return {clients.begin(), clients.end()};
}

void Past::tell(std::string code, std::string message, std::string who) const
{
    catalog::Event event;
    event.code = std::move(code);
    event.archive = archive_.settings_.id;
    event.message = std::move(message);
    event.who = std::move(who);
    archive_.services_.events.add(std::move(event));
}

Result<void> Past::check_moment(SystemTime at) const
{
    const Moment moment = find(at);
    if (!moment.change)
        return fail(Errc::not_found, moment.message);
    return {};
}

http::Task<std::string> Past::freeze(SystemTime at, std::string who)
{
    const auto checked = check_moment(at);
    if (!checked)
        co_return tl::unexpected<Error>(checked.error());
    co_await composing_.take();
    const Turns::Held turn(composing_);
    catalog::ArchiveDecisions::Freeze order{at, system_now(), who};
    auto write = [this, order] {
        return archive_.services_.state.freeze(archive_.settings_.id, order);
    };
    const auto written = co_await http::on_worker(archive_.services_.state_thread, write);
    if (!written)
        co_return tl::unexpected<Error>(written.error());
    co_await freeze_in_turn(std::move(order));
    const FrozenPtr frozen = frozen_.load();
    note_holders(*frozen);
    http::spawn(archive_.services_.control, "looking for clients with newer lists",
                find_newer_clients(archive_.shared_from_this(), frozen));
    const std::string sentence = frozen_sentence(*frozen);
    tell("archive.frozen", sentence, std::move(who));
    co_return sentence;
}

// Known at once: the delivery record is written once a second, and takes a while to read.
void Past::note_holders(const Frozen& frozen)
{
    std::set<std::string> later;
    for (const auto& [name, suite] : archive_.suites_)
        for (const catalog::Published& one : suite->timeline())
            if (one.date > frozen.order.at)
                later.insert(one.release);
    auto holders = archive_.pins_->holders(later);
    const std::lock_guard lock(newer_mutex_);
    newer_ = std::move(holders);
}

std::string Past::frozen_sentence(const Frozen& frozen) const
{
    const std::string& id = archive_.settings_.id;
    std::string sentence =
        fmt::format("{} is frozen to {}: clients get its state of then until aptward thaw {}", id,
                    catalog::format_stamp(frozen.order.at), id);
    std::vector<std::string> unserved;
    for (const auto& [name, suite] : archive_.suites_)
        if (suite->view().current && frozen.past->view.find(name) == nullptr)
            unserved.push_back(name);
    if (!unserved.empty())
        sentence += fmt::format("; not served meanwhile, because nothing of then is held: {}",
                                fmt::join(unserved, ", "));
    const std::size_t newer = newer_clients().size();
    if (newer > 0)
        sentence += fmt::format(
            "; {} known to hold newer lists, which apt keeps until they are "
            "purged: aptward status names them",
            newer == 1 ? "1 client is" : fmt::format("{} clients are", newer));
    return sentence;
}

http::Task<std::string> Past::thaw(std::string who)
{
    co_await composing_.take();
    const Turns::Held turn(composing_);
    if (!frozen_.load())
        co_return fail(Errc::not_found, archive_.settings_.id + " is not frozen");
    auto write = [this, who] { return archive_.services_.state.thaw(archive_.settings_.id, who); };
    const auto written = co_await http::on_worker(archive_.services_.state_thread, write);
    if (!written)
        co_return tl::unexpected<Error>(written.error());
    thaw_in_turn();
    const std::string sentence = archive_.settings_.id + " is thawed: clients get what is current";
    tell("archive.thawed", sentence, std::move(who));
    co_return sentence;
}

http::Task<std::string> Past::keep(std::string name, SystemTime at, std::string who)
{
    const auto checked = check_moment(at);
    if (!checked)
        co_return tl::unexpected<Error>(checked.error());
    if (!name.empty() && !is_snapshot_name(name))
        co_return fail(Errc::malformed,
                       printable(name) +
                           " is no name for a snapshot: up to 64 of a-z, A-Z, 0-9, "
                           "'-', '_' and '.', with a letter first");
    if (name.empty())
        name = catalog::format_stamp(at);
    if (snapshots().size() >= kMostNames)
        co_return fail(Errc::malformed, fmt::format("there are {} snapshots of {} already: drop "
                                                    "some (aptward snapshot drop)",
                                                    kMostNames, archive_.settings_.id));
    auto write = [this, name, at, who] {
        return archive_.services_.state.keep_snapshot(archive_.settings_.id, name, at, who);
    };
    const auto written = co_await http::on_worker(archive_.services_.state_thread, write);
    if (!written)
        co_return tl::unexpected<Error>(written.error());
    auto moments = std::make_shared<Moments>(*moments_.load());
    moments->names[name] = at;
    moments_.store(std::move(moments));
    const std::string sentence =
        fmt::format("what {} of {} needs is kept, as {}", catalog::format_stamp(at),
                    archive_.settings_.id, name);
    tell("snapshot.kept", sentence, std::move(who));
    co_return sentence;
}

http::Task<std::string> Past::drop(std::string name, std::string who)
{
    if (snapshots().count(name) == 0)
        co_return fail(Errc::not_found, archive_.settings_.id + " has no snapshot " +
                                            printable(name) + " (aptward snapshot list)");
    auto write = [this, name, who] {
        return archive_.services_.state.drop_snapshot(archive_.settings_.id, name, who);
    };
    const auto written = co_await http::on_worker(archive_.services_.state_thread, write);
    if (!written)
        co_return tl::unexpected<Error>(written.error());
    auto moments = std::make_shared<Moments>(*moments_.load());
    moments->names.erase(name);
    moments_.store(std::move(moments));
    const std::string sentence =
        "the snapshot " + name + " of " + archive_.settings_.id + " is not kept any more";
    tell("snapshot.dropped", sentence, std::move(who));
    co_return sentence;
}

std::vector<PastGeneration> Past::generations() const
{
    std::vector<PastGeneration> all;
    for (const auto& [name, suite] : archive_.suites_)
        for (const catalog::Published& one : suite->timeline())
            all.push_back({name, one});
    std::sort(all.begin(), all.end(), [](const PastGeneration& a, const PastGeneration& b) {
        return std::tie(a.published.date, a.suite, a.published.published) <
               std::tie(b.published.date, b.suite, b.published.published);
    });
    return all;
}

}  // namespace aptward::archive
