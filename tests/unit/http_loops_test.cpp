// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include <thread>

#include "http/server.h"

namespace aptward::http {
namespace {

// Counts itself out when the coroutine that holds it is destroyed.
struct Held {
    explicit Held(std::atomic<int>& count) : left(count) { ++left; }
    ~Held() { --left; }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    std::atomic<int>& left;
};

Async<void> wait_for_worker(WorkerPool& pool, std::atomic<bool>& may_go, std::atomic<int>& left)
{
    const Held held(left);
    auto job = [&may_go] {
        may_go.wait(false);
        return 1;
    };
    co_await on_worker(pool, job);
}

Async<void> wait_for_loop(Executor other, std::atomic<int>& left)
{
    const Held held(left);
    auto forever = []() -> Task<void> {
        co_await sleep_until(kNoDeadline);
        co_return Result<void>();
    };
    co_await on_loop(std::move(other), "waits for ever", forever, kNoDeadline);
}

TEST(Loops, EndWithWorkersAndOtherLoopsStillToAnswer)
{
    std::atomic<bool> may_go = false;
    std::atomic<int> left = 0;
    Loops loops(2), control(1);
    WorkerPool pool(1);
    for (int i = 0; i < 3; ++i) {
        spawn(loops.executor(), "worker", wait_for_worker(pool, may_go, left));
        spawn(control.executor(), "worker", wait_for_worker(pool, may_go, left));
        spawn(loops.executor(), "loop", wait_for_loop(control.executor(), left));
        spawn(control.executor(), "loop", wait_for_loop(loops.executor(), left));
    }
    while (left < 12)
        std::this_thread::yield();
    loops.join();
    control.join();
    EXPECT_EQ(left, 12);  // nothing is destroyed that a worker may still wake
    may_go = true;
    may_go.notify_all();
    pool.stop(WorkerPool::Queued::drop);
    loops.clear();
    control.clear();
    EXPECT_EQ(left, 0);
}

}  // namespace
}  // namespace aptward::http
