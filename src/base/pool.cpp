// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/pool.h"

#include <atomic>
#include <exception>
#include <utility>

#include "base/log.h"

namespace aptward {

WorkerPool::WorkerPool(unsigned threads)
{
    for (unsigned i = 0; i < threads; ++i)
        threads_.emplace_back([this] { work(); });
}

WorkerPool::~WorkerPool()
{
    stop(Queued::finish);
}

void WorkerPool::stop(Queued queued)
{
    std::deque<std::function<void()>> dropped;  // destroyed without the lock: they may post
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
        if (queued == Queued::drop)
            dropped.swap(jobs_);
    }
    wake_.notify_all();
    for (std::thread& thread : threads_)
        thread.join();
    threads_.clear();
}

void WorkerPool::post(std::function<void()> job)
{
    {
        const std::lock_guard lock(mutex_);
        if (is_stopping_)
            return;
        jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
}

void WorkerPool::work()
{
    for (;;) {
        std::function<void()> job;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return is_stopping_ || !jobs_.empty(); });
            if (jobs_.empty())
                return;
            job = std::move(jobs_.front());
            jobs_.pop_front();
        }
        try {
            job();
        } catch (const std::exception& error) {  // exhausted memory (R11)
            log_error("worker.exception", {}, error.what());
        }
    }
}

// The worker that takes it may come when the owner is gone: then it finds `is_taken` set.
struct Beside::State {
    explicit State(std::function<void()> what) : job(std::move(what)) {}

    bool take() { return !is_taken.exchange(true); }
    void run()
    {
        try {
            job();
        } catch (...) {
            failure = std::current_exception();
        }
        is_done = true;
        is_done.notify_all();
    }

    std::function<void()> job;
    std::exception_ptr failure;
    std::atomic<bool> is_taken = false, is_done = false;
};

Beside::Beside(WorkerPool& pool, std::function<void()> job)
    : state_(std::make_shared<State>(std::move(job)))
{
    pool.post([state = state_] {
        if (state->take())
            state->run();
    });
}

Beside::~Beside()
{
    if (!state_->take())
        state_->is_done.wait(false);
}

void Beside::join()
{
    if (state_->take())
        state_->run();
    state_->is_done.wait(false);
    if (state_->failure)
        std::rethrow_exception(std::exchange(state_->failure, nullptr));
}

}  // namespace aptward
