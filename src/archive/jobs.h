// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Jobs: anything long, with an id, progress, cancellation and resumption, remembered in the state.
//
//     queued -> running -> done | failed | cancelled
//                  |  the node stops or dies
//                  v
//             interrupted -> queued (same id, from its cursor), when its kind can go on
//
// Of each kind one job runs at a time, on a thread of that kind: a job is background work and takes
// no worker from clients, and a mirror job of days keeps no scrub waiting. Every change is an event
// with who.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/events.h"
#include "base/pool.h"
#include "catalog/state.h"
#include "http/task.h"

namespace aptward::archive {

using catalog::JobRecord;

/// A job as it is now.
struct JobView {
    JobRecord record;
    double rate_per_s = 0;                    ///< Of this run; 0: not known.
    std::optional<std::int64_t> remaining_s;  ///< While running, when that can be told.
};

class Jobs {
public:
    class Run;
    struct End {
        bool is_whole = false;  ///< False: it was told to stop.
        std::string message;    ///< One sentence for people.
    };
    struct Kind {
        std::string unit;
        bool is_resumable = false;
        /// Nobody waits for it: clients' answers always come first (base/background.h).
        bool is_background = false;
        /// An operator's job takes the place of the node's own one; else it waits for its end.
        bool node_gives_way = true;
        /// Checks the JSON that asks for a job, and gives what it keeps as its options; none: takes
        /// anything. Fails with malformed, not_found.
        std::function<Result<std::string>(std::string_view request)> read_options;
        std::function<Result<End>(Run&)> work;
    };

    /// `state` is used on `state_thread` only.
    Jobs(catalog::State& state, WorkerPool& state_thread, EventLog& events);
    ~Jobs();
    Jobs(const Jobs&) = delete;
    Jobs& operator=(const Jobs&) = delete;

    /// Before restore().
    void add_kind(const std::string& name, Kind kind) { kinds_[name] = std::move(kind); }

    /// Takes over what was remembered: what ran when the node ended is marked interrupted and, when
    /// its kind can go on, queued again. Blocks on the state thread.
    void restore();

    /// The new job's id. Fails with not_found, naming the kinds, and as reading the options does.
    /// Any thread.
    Result<std::int64_t> start(const std::string& kind, std::string request,
                               const std::string& who);

    /// Fails with not_found, or stale when it is over already. A running job ends soon after.
    Result<void> cancel(std::int64_t id, const std::string& who);

    /// Notifies `signal` when that job is over, unless it is already. Any thread.
    void watch(std::int64_t id, const std::shared_ptr<http::Signal>& signal);

    /// Oldest first.
    std::vector<JobView> list() const;
    std::optional<JobView> find(std::int64_t id) const;
    /// True while one of this kind is queued or running.
    bool is_busy(const std::string& kind) const;
    /// When a job of this kind last came to its end. One that ended in the future, by a clock that
    /// was wrong then, does not count.
    std::optional<SystemTime> last_done(const std::string& kind) const;
    /// When one last ended in any way: also failed or cancelled.
    std::optional<SystemTime> last_over(const std::string& kind) const;

    /// Tells the running jobs to stop, to be continued after a restart. Blocks until they have.
    void stop();

private:
    struct Job;
    using JobPtr = std::shared_ptr<Job>;

    void enqueue(const JobPtr& job);
    void run(const JobPtr& job);
    bool begin(const JobPtr& job);
    void end(const JobPtr& job, const Result<End>& outcome);
    void forget_old(const std::string& kind);
    void cancel_locked(Job& job, const std::string& who);
    void save(const Job& job);
    void tell(const Job& job, std::string code, const std::string& who, const std::string& what);
    JobView view_of(const Job& job) const;
    std::optional<SystemTime> last(const std::string& kind, bool (*counts)(JobRecord::State)) const;

    catalog::State& state_;
    WorkerPool& state_thread_;
    EventLog& events_;
    std::map<std::string, Kind> kinds_;
    mutable std::mutex mutex_;  // jobs are rare; their progress is told a few times a second
    std::map<std::int64_t, JobPtr> jobs_;
    std::int64_t last_id_ = 0;
    bool is_stopping_ = false;
    std::map<std::string, std::unique_ptr<WorkerPool>> threads_;  // by kind; once one was queued
};

/// What a job's work sees of it. On the thread of its kind.
class Jobs::Run {
public:
    Run(Jobs& jobs, JobPtr job) : jobs_(jobs), job_(std::move(job)) {}

    /// As it was when this run began: options, cursor, result.
    JobRecord record() const;
    /// False when it was cancelled or the node stops: leave soon, with End::is_whole false.
    bool goes_on() const;
    /// Tells how far it is; saved at most once a second, so a crash redoes about that much.
    void progress(std::uint64_t done, std::uint64_t total, std::string cursor, std::string result);

private:
    Jobs& jobs_;
    JobPtr job_;
};

}  // namespace aptward::archive
