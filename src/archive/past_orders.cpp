// SPDX-License-Identifier: GPL-3.0-or-later
// What operators decide about an archive's past: freezing and thawing, what is kept; and which
// clients hold newer lists than the frozen ones.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "archive/archive.h"
#include "archive/deliveries.h"
#include "archive/index_table.h"
#include "archive/past.h"
#include "archive/suite.h"
#include "base/text.h"

namespace aptward::archive {
namespace {

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

// What was before a suite's first known release must not stand in for what nobody knows.
tl::unexpected<Error> not_known(const std::map<std::string, std::string>& not_had)
{
    const auto& [suite, why] = *not_had.begin();
    return fail(Errc::unavailable,
                fmt::format("what {} was at that moment is not known: {}", suite, why));
}

// What an order to keep a moment can promise: no more than what is held, now or later.
std::string held_of(const catalog::ArchiveView& view, const store::Blobs& blobs)
{
    std::unordered_set<Digest, DigestHash> files;
    std::size_t held = 0, indexes = 0, held_indexes = 0;
    std::vector<std::string> unknown;
    for (const auto& [name, suite] : view.suites) {
        if (suite.current->tables().empty())
            unknown.push_back(name);
        for (const auto& [base, table] : suite.current->tables()) {
            ++indexes;
            if (holds_index(blobs, suite.current->release(), base))
                ++held_indexes;
            // What cannot be read of a table is not counted as held.
            static_cast<void>(table->each([&](std::string_view, const Digest& digest) {
                if (files.insert(digest).second && blobs.holds(digest))
                    ++held;
            }));
        }
    }
    std::string sentence;
    if (indexes > 0)
        sentence = fmt::format("; {} of {} indexes and {} of {} files that they name are held",
                               held_indexes, indexes, held, files.size());
    if (held < files.size() || held_indexes < indexes)
        sentence += ", the others are kept when a client has fetched them";
    if (!unknown.empty())
        sentence +=
            fmt::format("; which files {} needs is not known: its indexes have not been read",
                        fmt::join(unknown, ", "));
    return sentence;
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

bool Past::is_served(const std::string& suite) const
{
    const auto known = archive_.suites_.find(suite);
    return known != archive_.suites_.end() && known->second->view().current != nullptr;
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
    // On a bad day the hosts may be as dead as all else: what they do not say keeps out one suite.
    const NotHad not_had = co_await look_at_hosts(at);
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
    const std::string sentence = frozen_sentence(*frozen, not_had);
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

std::string Past::frozen_sentence(const Frozen& frozen, const NotHad& not_had) const
{
    const std::string& id = archive_.settings_.id;
    std::string sentence =
        fmt::format("{} is frozen to {}: clients get its state of then until aptward thaw {}", id,
                    catalog::format_stamp(frozen.order.at), id);
    std::vector<std::string> unserved;
    for (const auto& [name, suite] : archive_.suites_)
        if (suite->view().current && frozen.past->view.find(name) == nullptr)
            unserved.push_back(not_had.count(name) > 0 ? name + " (" + not_had.at(name) + ")"
                                                       : name);
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
    if (!name.empty() && !is_snapshot_name(name))
        co_return fail(Errc::malformed,
                       printable(name) +
                           " is no name for a snapshot: up to 64 of a-z, A-Z, 0-9, "
                           "'-', '_' and '.', with a letter first");
    if (name.empty())
        name = catalog::format_stamp(at);
    const auto names = snapshots();
    if (const auto taken = names.find(name); taken != names.end() && taken->second != at)
        co_return fail(
            Errc::malformed,
            fmt::format("{} has a snapshot {} already, of {}: drop it first, or use "
                        "another name",
                        archive_.settings_.id, name, catalog::format_stamp(taken->second)));
    NotHad not_had = co_await look_at_hosts(at);
    std::erase_if(not_had, [this](const auto& one) { return !is_served(one.first); });
    if (!not_had.empty())
        co_return not_known(not_had);
    const auto checked = check_moment(at);
    if (!checked)
        co_return tl::unexpected<Error>(checked.error());
    if (names.size() >= kMostNames)
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
    const Moment moment = find(at);
    const auto past = co_await compose_in_turn(moment.change.value_or(at));
    auto count = [past, &blobs = archive_.services_.blobs] { return held_of(past->view, blobs); };
    const std::string held = co_await http::on_worker(archive_.services_.workers, count);
    const std::string sentence =
        fmt::format("what {} of {} needs is kept, as {}{}", catalog::format_stamp(at),
                    archive_.settings_.id, name, held);
    tell("snapshot.kept", sentence, std::move(who));
    co_return sentence;
}

Result<SystemTime> Past::moment_of(const std::string& name) const
{
    const auto names = snapshots();
    if (const auto known = names.find(name); known != names.end())
        return known->second;
    return fail(Errc::not_found, archive_.settings_.id + " has no snapshot " + printable(name) +
                                     " (aptward snapshot list)");
}

// "3d" is a second later by the time that what was pinned by it is dropped by it.
Result<std::string> Past::name_kept(const std::string& name_or_stamp) const
{
    const auto names = snapshots();
    const auto at = catalog::parse_stamp(name_or_stamp);
    if (names.count(name_or_stamp) != 0 || !at)
        return moment_of(name_or_stamp).map([&](SystemTime) { return name_or_stamp; });
    std::vector<std::string> same;
    for (const auto& [name, time] : names)
        if (name == catalog::format_stamp(time) && find(time).change == find(*at).change)
            same.push_back(name);
    if (same.size() == 1)
        return same.front();
    return fail(
        Errc::not_found,
        fmt::format("{} has {} of the state at {} (aptward snapshot list)", archive_.settings_.id,
                    same.empty() ? "no pin" : fmt::format("the pins {}", fmt::join(same, ", ")),
                    name_or_stamp));
}

http::Task<std::string> Past::drop(std::string name, std::string who)
{
    CO_TRY(name, name_kept(name));
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

}  // namespace aptward::archive
