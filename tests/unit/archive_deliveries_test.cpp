// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "archive/deliveries.h"
#include "temporary_folder.h"

namespace aptward::archive {
namespace {

store::Delivery delivery(std::int64_t time_ms, std::string_view path)
{
    store::Delivery made;
    made.time_ms = time_ms;
    made.client = "192.0.2.1";
    made.archive = "test";
    made.path = path;
    made.status = 200;
    return made;
}

TEST(DeliveryRing, GivesEverythingOnceInOrderBetweenTwoThreads)
{
    constexpr std::int64_t kCount = 50'000;  // some turns of the ring
    DeliveryRing ring;
    std::thread pusher([&ring] {
        const std::string path(200, 'p');
        for (std::int64_t i = 0; i < kCount;)
            if (ring.push(delivery(
                    i, std::string_view(path).substr(0, static_cast<std::size_t>(i % 200)))))
                ++i;
            else
                std::this_thread::yield();
    });
    std::int64_t next = 0;
    while (next < kCount)
        ring.drain([&next](const store::Delivery& read) {
            ASSERT_EQ(read.time_ms, next);
            ASSERT_EQ(read.path.size(), static_cast<std::size_t>(next % 200));
            ASSERT_EQ(read.client, "192.0.2.1");
            ++next;
        });
    pusher.join();
    EXPECT_EQ(ring.used(), 0U);
}

TEST(DeliveryRing, CountsWhatItHasNoRoomFor)
{
    DeliveryRing ring;
    std::uint64_t taken = 0, given = 0;
    for (int i = 0; i < 20'000; ++i)
        if (ring.push(delivery(i, "pool/foo_1_all.deb")))
            ++taken;
    EXPECT_EQ(ring.lost(), 20'000 - taken);
    EXPECT_GT(ring.lost(), 0U);
    ring.drain([&given](const store::Delivery&) { ++given; });
    EXPECT_EQ(given, taken);
    EXPECT_TRUE(ring.push(delivery(0, "pool/foo_1_all.deb")));
}

class DeliveriesTest : public testing::Test {
protected:
    DeliveriesTest()
    {
        state = std::move(*catalog::State::open(folder));
        state_thread = std::make_unique<WorkerPool>(1);
        events = std::make_unique<EventLog>(*state, *state_thread);
    }
    ~DeliveriesTest() override { state_thread.reset(); }

    const TemporaryFolder temporary_;
    const std::filesystem::path& folder = temporary_.path();
    std::unique_ptr<catalog::State> state;
    std::unique_ptr<WorkerPool> state_thread;
    std::unique_ptr<EventLog> events;
};

TEST_F(DeliveriesTest, RecordsWhatSeveralThreadsAdd)
{
    Deliveries deliveries(folder / "deliveries", std::chrono::hours(1), *events);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&deliveries] {
            for (int n = 0; n < 1000; ++n)
                deliveries.add(delivery(n, "pool/foo_1_all.deb"));
        });
    for (std::thread& thread : threads)
        thread.join();
    deliveries.stop();
    EXPECT_EQ(deliveries.recorded(), 4000U);
    EXPECT_EQ(deliveries.lost(), 0U);
    store::DeliveryQuery query;
    query.limit = 10'000;
    EXPECT_EQ(store::find_deliveries(folder / "deliveries", query)->deliveries.size(), 4000U);
}

TEST_F(DeliveriesTest, WhatTheDiskRefusesIsLostCountedAndSaid)
{
    ASSERT_TRUE(write_file_durably(folder / "deliveries", "a file where the folder should be"));
    Deliveries deliveries(folder / "deliveries", std::chrono::hours(1), *events);
    deliveries.add(delivery(1, "pool/foo_1_all.deb"));
    deliveries.stop();
    EXPECT_EQ(deliveries.recorded(), 0U);
    EXPECT_EQ(deliveries.lost(), 1U);
    EXPECT_EQ(events->counts().at("deliveries.failed"), 1U);
}

TEST_F(DeliveriesTest, TurnedOffItWritesNothing)
{
    Deliveries deliveries(folder / "deliveries", std::chrono::seconds(0), *events);
    deliveries.add(delivery(1, "pool/foo_1_all.deb"));
    deliveries.stop();
    EXPECT_FALSE(std::filesystem::exists(folder / "deliveries"));
}

}  // namespace
}  // namespace aptward::archive
