// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The worker threads: writing, decompression, parsing, gpgv, scrub. What takes over 1 ms goes here.

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace aptward {

/// Runs jobs in the order they were posted, several at a time. Any thread may post.
/// Destruction finishes the jobs that were posted.
class WorkerPool {
public:
    enum class Queued { finish, drop };

    explicit WorkerPool(unsigned threads);
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    /// After stop() a job is destroyed without having run.
    void post(std::function<void()> job);

    /// Ends the threads; running jobs are waited for, queued ones done first or dropped.
    void stop(Queued queued);

private:
    void work();

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> jobs_;
    bool is_stopping_ = false;
    std::vector<std::thread> threads_;
};

/// One job beside what its owner does meanwhile, the owner being a job of the same pool: on another
/// worker if one is free before join(), else in join() itself. So a full pool costs time, and never
/// waits for itself.
class Beside {
public:
    /// `job` may use what outlives this object.
    Beside(WorkerPool& pool, std::function<void()> job);
    /// A job that has not begun is not run any more; one that has is waited for.
    ~Beside();
    Beside(const Beside&) = delete;
    Beside& operator=(const Beside&) = delete;

    /// Returns when the job is done; throws what it threw.
    void join();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace aptward
