// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/budget.h"

#include <gtest/gtest.h>

namespace aptward::peer {
namespace {

using std::chrono::seconds;
using Answer = Budgets::Answer;

const SteadyTime kStart{seconds(1000)};

TEST(PeerBudgets, AGreedyAddressWaitsAndTheOthersDoNot)
{
    Budgets budgets;
    const int at_once = static_cast<int>(kRequestsAtOnce);
    for (int i = 0; i < at_once; ++i)
        ASSERT_EQ(budgets.ask("greedy", kStart), Answer::granted) << i;
    EXPECT_EQ(budgets.ask("greedy", kStart), Answer::refused_anew);
    EXPECT_EQ(budgets.ask("greedy", kStart), Answer::refused) << "told once";
    EXPECT_EQ(budgets.ask("other", kStart), Answer::granted);
    EXPECT_EQ(budgets.ask("greedy", kStart + seconds(1)), Answer::granted);
    for (int i = 1; i < static_cast<int>(kRequestsPerSecond); ++i)
        ASSERT_EQ(budgets.ask("greedy", kStart + seconds(1)), Answer::granted) << i;
    EXPECT_EQ(budgets.ask("greedy", kStart + seconds(1)), Answer::refused);
    EXPECT_EQ(budgets.ask("greedy", kStart + seconds(1000)), Answer::granted);
}

TEST(PeerBudgets, BytesArePaidBeforeTheNextRequest)
{
    Budgets budgets;
    budgets.use(1000);
    EXPECT_EQ(budgets.ask("a", kStart), Answer::granted);
    budgets.spend("a", 25'000);  // 15 seconds more than there were
    EXPECT_EQ(budgets.ask("a", kStart + seconds(14)), Answer::refused_anew);
    EXPECT_EQ(budgets.ask("a", kStart + seconds(16)), Answer::granted);
    EXPECT_EQ(budgets.ask("b", kStart + seconds(14)), Answer::granted);
    budgets.use(0);
    budgets.spend("a", 1'000'000'000);
    EXPECT_EQ(budgets.ask("a", kStart + seconds(17)), Answer::granted) << "no limit";
}

TEST(PeerBudgets, R22_AddressesAreBounded)
{
    Budgets budgets;
    for (int i = 0; i < 100'000; ++i)
        budgets.ask("address " + std::to_string(i), kStart);
    EXPECT_EQ(budgets.ask("another", kStart), Answer::granted);
}

}  // namespace
}  // namespace aptward::peer
