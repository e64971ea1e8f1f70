// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

#include "base/pool.h"

namespace aptward {
namespace {

TEST(WorkerPool, StopsWithWhatIsQueuedDoneOrDropped)
{
    for (const auto queued : {WorkerPool::Queued::finish, WorkerPool::Queued::drop}) {
        WorkerPool pool(1);
        std::atomic<bool> is_begun = false, may_go = false;
        std::atomic<int> runs = 0;
        pool.post([&] {
            is_begun = true;
            is_begun.notify_one();
            may_go.wait(false);
            ++runs;
        });
        is_begun.wait(false);
        const auto held = std::make_shared<int>();
        for (int i = 0; i < 10; ++i)
            pool.post([&, held] { ++runs; });
        std::thread letting([&] {
            may_go = true;
            may_go.notify_one();
        });
        pool.stop(queued);
        letting.join();
        // One that drops may find some done already: the worker was let go at the same time.
        if (queued == WorkerPool::Queued::finish) {
            EXPECT_EQ(runs, 11);
        }
        EXPECT_GE(runs, 1);
        EXPECT_EQ(held.use_count(), 1);
        const int before = runs;
        pool.post([&, held] { ++runs; });
        EXPECT_EQ(runs, before);
        EXPECT_EQ(held.use_count(), 1);
    }
}

TEST(Beside, RunsOnceWhetherAWorkerIsFreeOrNot)
{
    for (const unsigned workers : {1U, 3U}) {
        std::atomic<int> runs = 0, joined = 0;
        {
            WorkerPool pool(workers);
            for (int i = 0; i < 100; ++i)
                pool.post([&] {
                    Beside beside(pool, [&] { ++runs; });
                    beside.join();
                    ++joined;
                });
        }
        EXPECT_EQ(runs, 100);
        EXPECT_EQ(joined, 100);
    }
}

TEST(Beside, ThatNobodyJoinsUsesNothingOnceItIsGone)
{
    WorkerPool pool(1);
    std::atomic<bool> may_go = false;
    pool.post([&] { may_go.wait(false); });  // keeps the only worker busy
    bool has_run = false;
    {
        Beside beside(pool, [&] { has_run = true; });
    }
    may_go = true;
    may_go.notify_one();
    std::atomic<bool> is_over = false;
    pool.post([&] {
        is_over = true;
        is_over.notify_one();
    });
    is_over.wait(false);
    EXPECT_FALSE(has_run);
}

TEST(Beside, HandsOnWhatItsJobThrew)
{
    WorkerPool pool(1);
    Beside beside(pool, [] { throw std::runtime_error("no memory"); });
    EXPECT_THROW(beside.join(), std::runtime_error);
}

}  // namespace
}  // namespace aptward
