// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What happened, told once and kept in three places: the log, the durable event stream and the
// counters behind the metrics.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/pool.h"
#include "catalog/state.h"

namespace aptward::archive {

/// Any thread; never blocks on the disk.
class EventLog {
public:
    /// `state` is used on `state_thread` only.
    EventLog(catalog::State& state, WorkerPool& state_thread)
        : state_(state), state_thread_(state_thread)
    {
    }

    /// Numbered, stored and logged. The same event of the same source within ten seconds is
    /// counted but not stored again, so that a storm of faults stays readable.
    void add(catalog::Event event);

    /// Runs `wake` on the state thread after each stored event. Set before the first one.
    void on_stored(std::function<void()> wake) { wake_ = std::move(wake); }

    /// How often each code came.
    std::map<std::string, std::uint64_t> counts() const;

private:
    catalog::State& state_;
    WorkerPool& state_thread_;
    std::function<void()> wake_;
    mutable std::mutex mutex_;  // rare events only
    std::map<std::string, std::uint64_t> counts_;
    std::map<std::string, SteadyTime> last_;
};

/// Counters of the hot path. Relaxed: each is exact, together they are nearly of one moment.
struct Counters {
    std::atomic<std::uint64_t> requests{0}, hits{0}, misses{0}, stale{0};
    std::atomic<std::uint64_t> not_found{0}, unavailable{0}, refused{0}, cut{0};
    std::atomic<std::uint64_t> sent_bytes{0}, tunnels{0}, unproven{0};
    std::shared_ptr<std::atomic<std::uint64_t>> tunnelled_bytes =
        std::make_shared<std::atomic<std::uint64_t>>(0);
};

}  // namespace aptward::archive
