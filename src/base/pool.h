// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The worker threads: writing, decompression, parsing, gpgv, scrub. What takes over 1 ms goes here.

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace aptward {

/// Runs jobs in the order they were posted, several at a time. Any thread may post.
/// Destruction finishes the jobs that were posted.
class WorkerPool {
public:
    explicit WorkerPool(unsigned threads);
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    void post(std::function<void()> job);

private:
    void work();

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> jobs_;
    bool is_stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace aptward
