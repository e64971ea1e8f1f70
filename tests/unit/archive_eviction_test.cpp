// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/eviction.h"

#include <gtest/gtest.h>

namespace aptward::archive {
namespace {

HeldFile file(std::uint8_t name, std::uint64_t bytes, std::uint32_t used, Need need)
{
    return {{name}, bytes, used, need};
}

// At 1000: what was used since 900 is spared, what is served and used since 500 is hot.
EvictionLimits down_to(std::uint64_t target)
{
    return {target, from_unix(900), from_unix(500)};
}

std::string order(const std::vector<HeldFile>& files, const EvictionPlan& plan)
{
    std::string names;
    for (const std::size_t number : plan.victims)
        names += static_cast<char>(files[number].key[0]);
    return names;
}

TEST(Eviction, WhatIsNeededLeastAndUsedLongestAgoGoesFirst)
{
    const std::vector<HeldFile> files = {
        file('a', 10, 100, Need::current), file('b', 10, 400, Need::past),
        file('c', 10, 300, Need::past),    file('d', 10, 800, Need::nobody),
        file('e', 10, 200, Need::nobody),  file('f', 10, 499, Need::current),
        file('g', 10, 500, Need::current), file('h', 10, 1, Need::kept),
        file('i', 10, 950, Need::nobody),  file('j', 10, 900, Need::past)};
    const EvictionPlan all = plan_eviction(files, down_to(0));
    EXPECT_EQ(order(files, all), "edcbaf") << "hot, kept and just used ones stay";
    EXPECT_EQ(all.held_bytes, 100U);
    EXPECT_EQ(all.freed_bytes, 60U);
    EXPECT_EQ(all.over_bytes, 40U);
    EXPECT_EQ(all.hot.files, 1U);
    EXPECT_EQ(all.held[static_cast<std::size_t>(Need::nobody)].files, 3U);
    EXPECT_EQ(order(files, plan_eviction(files, down_to(85))), "ed") << "no more than is asked for";
    EXPECT_EQ(plan_eviction(files, down_to(85)).over_bytes, 0U);
    EXPECT_EQ(order(files, plan_eviction(files, down_to(100))), "");
}

TEST(Eviction, WhatIsAwayGoesFirstAndWhatIsHotStays)
{
    const auto away = [](HeldFile one) {
        one.is_away = true;
        return one;
    };
    const std::vector<HeldFile> files = {
        away(file('a', 10, 600, Need::current)), away(file('b', 10, 550, Need::current)),
        file('c', 10, 100, Need::current),       away(file('d', 10, 200, Need::current)),
        file('e', 10, 300, Need::past),          away(file('f', 10, 400, Need::past)),
        file('g', 10, 500, Need::current),       away(file('h', 10, 950, Need::current)),
        away(file('i', 10, 1, Need::kept))};
    const EvictionPlan plan = plan_eviction(files, down_to(0));
    EXPECT_EQ(order(files, plan), "fedc") << "what a service says it has may be gone tomorrow";
    EXPECT_EQ(plan.hot.files, 4U);
    EXPECT_EQ(plan.over_bytes, 50U);
}

TEST(Eviction, NothingHeldIsNothingToPlan)
{
    const EvictionPlan plan = plan_eviction({}, down_to(0));
    EXPECT_TRUE(plan.victims.empty());
    EXPECT_EQ(plan.over_bytes, 0U);
}

}  // namespace
}  // namespace aptward::archive
