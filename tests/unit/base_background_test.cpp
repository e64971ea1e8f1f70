// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/background.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

namespace aptward {
namespace {

TEST(Background, TakesTheCallingThreadAloneOutOfTheWay)
{
    int scheduled = -1;
    std::thread([&] {
        go_to_background();
        scheduled = ::sched_getscheduler(0);
    }).join();
    EXPECT_EQ(scheduled, SCHED_IDLE);
    EXPECT_NE(::sched_getscheduler(0), SCHED_IDLE);
}

}  // namespace
}  // namespace aptward
