// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <set>
#include <thread>

#include "archive/jobs.h"
#include "code_of.h"
#include "temporary_folder.h"

namespace aptward::archive {
namespace {

using State = JobRecord::State;

/// A kind whose work counts to ten, one step for each permit, and writes down where it began.
struct Counting {
    std::atomic<bool> waits{false};  ///< For a permit.
    std::atomic<int> permits{0};
    std::string began_at;

    Jobs::Kind kind(bool is_resumable)
    {
        Jobs::Kind made;
        made.unit = "steps";
        made.is_resumable = is_resumable;
        made.work = [this](Jobs::Run& run) -> Result<Jobs::End> {
            began_at = run.record().cursor;
            std::uint64_t step = began_at.empty() ? 0 : std::stoull(began_at);
            waits = false;
            while (step < 10 && run.goes_on()) {
                if (permits > 0) {
                    --permits;
                    ++step;
                    run.progress(step, 10, std::to_string(step), "{}");
                } else {
                    waits = true;
                    std::this_thread::yield();
                }
            }
            return Jobs::End{step == 10, "counted to " + std::to_string(step)};
        };
        return made;
    }

    void await_waiting() const
    {
        while (!waits)
            std::this_thread::yield();
    }
};

class JobsTest : public testing::Test {
protected:
    JobsTest()
    {
        state = std::move(*catalog::State::open(folder));
        state_thread = std::make_unique<WorkerPool>(1);
        events = std::make_unique<EventLog>(*state, *state_thread);
    }

    ~JobsTest() override { state_thread.reset(); }

    std::unique_ptr<Jobs> jobs_with(const std::string& name, Jobs::Kind kind)
    {
        auto jobs = std::make_unique<Jobs>(*state, *state_thread, *events);
        jobs->add_kind(name, std::move(kind));
        jobs->restore();
        return jobs;
    }

    /// Everything that was posted to the state thread is in the database.
    void settle() const
    {
        std::promise<void> done;
        state_thread->post([&done] { done.set_value(); });
        done.get_future().wait();
    }

    static void wait_over(const Jobs& jobs, std::int64_t id)
    {
        for (auto view = jobs.find(id);
             view->record.state == State::queued || view->record.state == State::running;
             view = jobs.find(id))
            std::this_thread::yield();
    }

    const TemporaryFolder temporary_;
    const std::filesystem::path& folder = temporary_.path();
    std::unique_ptr<catalog::State> state;
    std::unique_ptr<WorkerPool> state_thread;
    std::unique_ptr<EventLog> events;
};

TEST_F(JobsTest, AJobRunsToItsEndAndIsRemembered)
{
    Counting counting;
    counting.permits = 10;
    auto jobs = jobs_with("count", counting.kind(true));
    const auto id = jobs->start("count", "{}", "uid 7");
    ASSERT_TRUE(id);
    wait_over(*jobs, *id);
    const auto view = jobs->find(*id);
    EXPECT_EQ(view->record.state, State::done);
    EXPECT_EQ(view->record.done, 10U);
    EXPECT_EQ(view->record.message, "counted to 10");
    EXPECT_TRUE(jobs->last_done("count"));
    EXPECT_FALSE(jobs->is_busy("count"));
    jobs->stop();
    settle();
    ASSERT_EQ(state->jobs().size(), 1U);
    EXPECT_EQ(state->jobs()[0].state, State::done);
    EXPECT_EQ(state->jobs()[0].who, "uid 7");
    std::vector<std::string> told;
    for (const auto& event : state->events(0, 100))
        told.push_back(event.code + " " + event.who);
    EXPECT_EQ(told, (std::vector<std::string>{"job.started uid 7", "job.done uid 7"}));
    EXPECT_EQ(jobs_with("count", counting.kind(true))->list().size(), 1U);
}

TEST_F(JobsTest, R11_AJobThatRunsOutOfMemoryFailsAndTheNextHasItsTurn)
{
    Jobs::Kind kind;
    std::atomic<int> runs = 0;
    kind.work = [&runs](Jobs::Run&) -> Result<Jobs::End> {
        if (++runs == 1)
            throw std::bad_alloc();
        return Jobs::End{true, "done"};
    };
    auto jobs = jobs_with("greedy", std::move(kind));
    const auto first = jobs->start("greedy", "{}", "node");
    ASSERT_TRUE(first);
    wait_over(*jobs, *first);
    EXPECT_EQ(jobs->find(*first)->record.state, State::failed);
    const auto second = jobs->start("greedy", "{}", "node");
    ASSERT_TRUE(second);
    wait_over(*jobs, *second);
    EXPECT_EQ(jobs->find(*second)->record.state, State::done);
    jobs->stop();
}

TEST_F(JobsTest, ACancelledJobEndsAndSaysWhoCancelledIt)
{
    Counting counting;
    auto jobs = jobs_with("count", counting.kind(true));
    const auto running = jobs->start("count", "{}", "uid 7");
    const auto waiting = jobs->start("count", "{}", "uid 7");
    counting.await_waiting();
    EXPECT_EQ(jobs->find(*waiting)->record.state, State::queued);
    ASSERT_TRUE(jobs->cancel(*waiting, "uid 8"));
    EXPECT_EQ(jobs->find(*waiting)->record.state, State::cancelled);
    ASSERT_TRUE(jobs->cancel(*running, "uid 8"));
    wait_over(*jobs, *running);
    EXPECT_EQ(jobs->find(*running)->record.state, State::cancelled);
    EXPECT_EQ(code_of(jobs->cancel(*running, "uid 8")), Errc::stale);
    EXPECT_EQ(code_of(jobs->cancel(99, "uid 8")), Errc::not_found);
    EXPECT_FALSE(jobs->last_done("count"));
    EXPECT_TRUE(jobs->last_over("count"));
    jobs->stop();
    settle();
    EXPECT_EQ(state->events(0, 100).back().who, "uid 8");
}

TEST_F(JobsTest, AnUnknownKindIsRefusedWithTheKnownOnes)
{
    Counting counting;
    auto jobs = jobs_with("count", counting.kind(true));
    const auto refused = jobs->start("mine", "{}", "uid 7");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("there are: count"), std::string::npos);
}

TEST_F(JobsTest, AnOperatorsJobTakesThePlaceOfTheNodesOwn)
{
    Counting counting;
    auto jobs = jobs_with("count", counting.kind(true));
    const auto own = jobs->start("count", "{}", "node");
    counting.await_waiting();
    const auto asked = jobs->start("count", "{}", "uid 7");
    wait_over(*jobs, *own);
    EXPECT_EQ(jobs->find(*own)->record.state, State::cancelled);
    counting.permits = 10;
    wait_over(*jobs, *asked);
    EXPECT_EQ(jobs->find(*asked)->record.state, State::done);
}

TEST_F(JobsTest, OfSomeKindsAnOperatorsJobWaitsForTheNodesOwn)
{
    Counting counting;
    Jobs::Kind kind = counting.kind(true);
    kind.node_gives_way = false;
    auto jobs = jobs_with("count", std::move(kind));
    const auto own = jobs->start("count", "{}", "node");
    counting.await_waiting();
    const auto asked = jobs->start("count", "{}", "uid 7");
    counting.permits = 20;
    wait_over(*jobs, *asked);
    EXPECT_EQ(jobs->find(*own)->record.state, State::done);
    EXPECT_EQ(jobs->find(*asked)->record.state, State::done);
}

TEST_F(JobsTest, WhatEndedInTheFutureEndedByAClockThatWasWrong)
{
    JobRecord ahead, before;
    ahead.id = 1;
    before.id = 2;
    ahead.kind = before.kind = "count";
    ahead.state = before.state = State::done;
    ahead.ended = system_now() + std::chrono::hours(48);
    before.ended = system_now() - std::chrono::hours(48);
    ASSERT_TRUE(state->put_job(ahead));
    Counting counting;
    EXPECT_FALSE(jobs_with("count", counting.kind(true))->last_done("count"));
    ASSERT_TRUE(state->put_job(before));
    const auto jobs = jobs_with("count", counting.kind(true));
    EXPECT_EQ(jobs->last_done("count"), before.ended);
    EXPECT_EQ(jobs->last_over("count"), before.ended);
}

TEST_F(JobsTest, AStoppedNodesJobGoesOnFromItsCursor)
{
    Counting before;
    before.permits = 4;
    auto jobs = jobs_with("count", before.kind(true));
    const auto id = jobs->start("count", "{}", "uid 7");
    before.await_waiting();
    jobs->stop();
    EXPECT_EQ(jobs->find(*id)->record.state, State::interrupted);
    jobs.reset();
    settle();

    Counting after;
    after.permits = 10;
    jobs = jobs_with("count", after.kind(true));
    wait_over(*jobs, *id);
    EXPECT_EQ(after.began_at, "4");
    EXPECT_EQ(jobs->find(*id)->record.state, State::done);
    EXPECT_EQ(*jobs->start("count", "{}", "uid 7"), *id + 1);
    jobs->stop();  // before what it works with is gone
}

TEST_F(JobsTest, WhatADeadNodeLeftRunningIsInterruptedOrGoesOn)
{
    JobRecord left;
    left.id = 3;
    left.kind = "count";
    left.state = State::running;
    left.cursor = "9";
    ASSERT_TRUE(state->put_job(left));
    left.id = 4;
    left.kind = "gone";
    ASSERT_TRUE(state->put_job(left));
    Counting counting;
    counting.permits = 1;
    auto jobs = jobs_with("count", counting.kind(true));
    wait_over(*jobs, 3);
    EXPECT_EQ(counting.began_at, "9");
    EXPECT_EQ(jobs->find(3)->record.state, State::done);
    EXPECT_EQ(jobs->find(4)->record.state, State::interrupted);
    jobs->stop();
    settle();
    std::set<std::string> codes;
    for (const auto& event : state->events(0, 100))
        codes.insert(event.code);
    EXPECT_EQ(codes, (std::set<std::string>{"job.interrupted", "job.resumed", "job.done"}));

    Counting never;
    left.id = 5;
    left.kind = "count";
    ASSERT_TRUE(state->put_job(left));
    auto others = jobs_with("count", never.kind(false));
    EXPECT_EQ(others->find(5)->record.state, State::interrupted);
}

}  // namespace
}  // namespace aptward::archive
