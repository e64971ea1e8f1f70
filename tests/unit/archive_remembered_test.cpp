// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/remembered.h"

#include <gtest/gtest.h>

namespace aptward::archive {
namespace {

using std::chrono::hours;

constexpr SystemTime kNow = SystemTime(hours(1000));

catalog::Published published(const std::string& release, hours ago)
{
    return {release, kNow - ago, kNow - ago, {}, {}};
}

std::string of_each(const Remembered& remembered, const catalog::SuiteState& suite)
{
    std::string needs;
    for (const catalog::Published& one : suite.timeline)
        needs += one.release + ":" +
                 std::string(to_string(need_of(remembered, "test", suite, one, kNow))) + " ";
    return needs;
}

RingSettings ring(hours delay)
{
    RingSettings settings;
    settings.delay = delay;
    return settings;
}

class RememberedTest : public testing::Test {
protected:
    RememberedTest()
    {
        remembered.decisions["test"] = {};
        for (const auto& [name, ago] : {std::pair("a", 40), std::pair("b", 30), std::pair("c", 20),
                                        std::pair("d", 10), std::pair("e", 1)})
            suite.timeline.push_back(published(name, hours(ago)));
    }
    Remembered remembered;
    catalog::SuiteState suite;
};

TEST_F(RememberedTest, OnlyTheCurrentOneIsServedWithoutRings)
{
    EXPECT_EQ(of_each(remembered, suite), "a:past b:past c:past d:past e:current ");
}

TEST_F(RememberedTest, WhatTheSlowestRingComesToLaterIsNeededNow)
{
    remembered.rings = {ring(hours(5)), ring(hours(25))};
    EXPECT_EQ(of_each(remembered, suite), "a:past b:current c:current d:current e:current ");
}

// It was shown again: a ring has it, and never comes to what was shown between.
TEST_F(RememberedTest, WhatARingPassesOverIsPast)
{
    catalog::note_published(suite.timeline, published("b", hours(0)));
    remembered.rings = {ring(hours(25))};
    EXPECT_EQ(of_each(remembered, suite), "a:past c:past d:past e:past b:current ");
}

TEST_F(RememberedTest, WhatAnOperatorKeepsIsKeptUntilTheArchiveIsServedNoMore)
{
    remembered.decisions["test"].snapshots["good"] = kNow - hours(39);
    remembered.decisions["test"].freeze = {kNow - hours(15), kNow - hours(12), "uid 0"};
    EXPECT_EQ(of_each(remembered, suite), "a:kept b:past c:kept d:past e:current ");
    remembered.decisions.clear();
    EXPECT_EQ(of_each(remembered, suite), "a:past b:past c:past d:past e:past ");
}

}  // namespace
}  // namespace aptward::archive
