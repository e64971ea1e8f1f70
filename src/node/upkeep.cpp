// SPDX-License-Identifier: GPL-3.0-or-later
// What a running node does by itself: saves what it learned, scrubs, mends, and keeps its disk in
// bounds. On the control loop.
#include <sys/statvfs.h>

#include <fmt/format.h>

#include <algorithm>

#include "archive/eviction_job.h"
#include "archive/scrub_job.h"
#include "base/log.h"
#include "base/text.h"
#include "node/node_parts.h"

namespace aptward::node {
namespace {

constexpr std::chrono::minutes kSaveEvery{5};
constexpr std::chrono::seconds kScrubAgain = std::chrono::hours(24);  // after a cancelled one
constexpr std::chrono::seconds kLookEvery{10}, kLookAtDiskEvery{5}, kLookAtAptEvery{2};

}  // namespace

http::Async<void> Node::Parts::save_sources()
{
    std::map<std::string, catalog::SourceState> learned;
    const auto routes = front->routes();  // a reload may replace them meanwhile
    const auto learn = [&](const std::string& kind,
                           const std::vector<fetch::SourceReport>& reports) {
        for (const fetch::SourceReport& report : reports)
            learned[kind + report.url] = {report.latency_ms,        report.rate_bytes_per_s,
                                          report.failures_in_a_row, report.last_fault,
                                          report.last_fault_time,   report.last_good_time,
                                          report.open_until,        report.distrusted_until};
    };
    for (const auto& archive : routes->archives) {
        const auto reports = co_await fetcher->report(archive->all_sources());
        learn("", reports);
    }
    if (peers != nullptr) {
        const auto reports = co_await fetcher->report(peers->sources());
        learn(kPeerHealth, reports);
    }
    auto job = [this, learned = std::move(learned),
                asked_for = front->strangers().save()]() -> Result<void> {
        TRY_VOID(state->put_fact(kStrangers, asked_for));
        return state->put_sources(learned);
    };
    const auto saved = co_await http::on_worker(*state_thread, std::move(job));
    if (!saved)
        log_error("state.failed", {}, saved.error().message());
}

http::Async<void> Node::Parts::keep_saving()
{
    for (;;) {
        co_await http::sleep_until(steady_now() + kSaveEvery);
        co_await save_sources();
    }
}

// Everything held is read again within the promised time (R26), counted from the last whole scrub.
http::Async<void> Node::Parts::keep_scrubbing()
{
    using std::chrono::seconds;
    const seconds every = config.scrub_every;
    while (every.count() > 0) {
        const seconds pause = std::clamp(every / 10, seconds(1), seconds(60));
        co_await http::sleep_until(steady_now() + pause);
        const SystemTime now = system_now();
        const SystemTime done = jobs->last_done(archive::kScrub).value_or(scrub_counted_from);
        const SystemTime over = jobs->last_over(archive::kScrub).value_or(scrub_counted_from);
        const bool is_due = now - done >= every && now - over >= std::min(every, kScrubAgain);
        if (!is_due || jobs->is_busy(archive::kScrub))
            continue;
        const auto started = jobs->start(
            archive::kScrub, archive::scrub_options(config.scrub_rate_bytes_per_s), "node");
        if (!started)
            co_return;  // the node is stopping
    }
}

// What no source gave when a scrub looked may be had later: nobody has to ask for it.
http::Async<void> Node::Parts::keep_mending()
{
    for (;;) {
        co_await http::sleep_until(steady_now() + kLookEvery);
        const auto last = archive::last_look(*jobs);
        if (!last || last->mending.unmended == 0)
            continue;
        const SystemTime tried = jobs->last_over(archive::kRepair).value_or(last->at);
        const auto since = system_now() - std::max(last->at, tried);
        const bool is_due = since >= archive::kMendAgain || since.count() < 0;
        if (!is_due || jobs->is_busy(archive::kScrub) || jobs->is_busy(archive::kRepair))
            continue;
        const auto started = jobs->start(archive::kRepair, "{}", "node");
        if (!started)
            co_return;  // the node is stopping
    }
}

// Of the node's own only: an operator may have asked for less, or only what would go. One that
// ended above its target, because what it might have taken was in use, is tried again.
bool Node::Parts::is_to_be_tried_again(std::int64_t collection) const
{
    using State = catalog::JobRecord::State;
    const auto view = jobs->find(collection);
    if (!view)
        return true;  // many came after it
    const State how = view->record.state;
    if (how == State::queued || how == State::running || how == State::done)
        return false;
    const auto since = system_now() - view->record.ended;
    return since >= archive::kSpared || since.count() < 0;  // a clock that was ahead says nothing
}

// What is held is counted at the start, and then whenever what came since may be too much.
http::Async<void> Node::Parts::keep_bounded()
{
    std::uint64_t counted_at = 0;   // bytes that had come then
    std::uint64_t counted_for = 0;  // the quota then
    std::optional<std::int64_t> last;
    for (;;) {
        const std::uint64_t came = blobs->stored_bytes(), bound = quota->bytes();
        const auto high =
            static_cast<std::uint64_t>(static_cast<double>(bound) * (1 - archive::kHighWater));
        const bool is_due = bound != counted_for || came - counted_at >= high ||
                            (last && is_to_be_tried_again(*last));
        if (bound > 0 && is_due && !jobs->is_busy(archive::kEviction)) {
            counted_at = came;
            counted_for = bound;
            const auto started = jobs->start(archive::kEviction, "{}", "node");
            if (!started)
                co_return;  // the node is stopping
            last = *started;
        }
        co_await http::sleep_until(steady_now() + kLookEvery);
    }
}

// What apt has got or thrown away since: other nodes are told.
http::Async<void> Node::Parts::keep_apt_cache()
{
    while (apt_cache != nullptr) {
        auto look = [cache = apt_cache.get()] { return cache->look(); };
        const auto change = co_await http::on_worker(*apt_looker, std::move(look));
        for (const Digest& digest : change.turned)
            peers->note_turned(digest);
        if (change.is_whole) {
            co_await http::sleep_until(steady_now() + kLookAtAptEvery);
        }
    }
}

// A disk that fills up starts a collection, with a quota or without one (R4): else what is current
// could not be kept for the sake of what nobody needs.
http::Async<void> Node::Parts::keep_room()
{
    constexpr double kLowShare = 0.05, kEnoughShare = 0.10;
    constexpr double kEnoughBytes = 4e9;  // of a large disk, where the other shares follow it
    bool is_told = false;
    std::uint64_t without_room = 0;  // files for which there was no room
    std::optional<std::int64_t> last;
    for (;;) {
        co_await http::sleep_until(steady_now() + kLookAtDiskEvery);
        struct ::statvfs space{};
        if (::statvfs(config.state.c_str(), &space) != 0 || space.f_blocks == 0)
            continue;
        const auto free = std::uint64_t{space.f_bavail} * space.f_frsize;
        const auto all = static_cast<double>(std::uint64_t{space.f_blocks} * space.f_frsize);
        const auto share = [&](double part) {
            return static_cast<std::uint64_t>(std::min(all, kEnoughBytes / kEnoughShare) * part);
        };
        auto counts = events->counts();
        const bool had_no_room =
            std::exchange(without_room, counts["store.full"]) != counts["store.full"];
        if (free >= share(kLowShare) && !had_no_room) {
            is_told = is_told && free < share(kEnoughShare);
            continue;
        }
        if (!std::exchange(is_told, true))
            tell("disk.low",
                 fmt::format("{} are left on the disk of {}: what nobody needs, and then what only "
                             "earlier releases need, goes (aptward jobs)",
                             human_size(free), config.state.string()));
        // One that found too little is tried again when what was used may go.
        const auto view = last ? jobs->find(*last) : std::nullopt;
        const bool has_helped = view && view->record.state == catalog::JobRecord::State::done;
        const bool may_try = !last || has_helped || is_to_be_tried_again(*last);
        if (!may_try || jobs->is_busy(archive::kEviction))
            continue;
        const auto started =
            jobs->start(archive::kEviction,
                        fmt::format("{{\"free\": {}}}",
                                    had_no_room ? share(kEnoughShare) : share(kEnoughShare) - free),
                        "node");
        if (!started)
            co_return;  // the node is stopping
        last = *started;
    }
}

}  // namespace aptward::node
