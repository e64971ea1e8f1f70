// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/reachable.h"

#include <gtest/gtest.h>

namespace aptward::node {
namespace {

using peer::Reachable;

TEST(Reachable, IsWhereOtherMachinesComeIn)
{
    EXPECT_EQ(reachable_at({"0.0.0.0:3142"}), (Reachable{3142, true, false}));
    EXPECT_EQ(reachable_at({"10.0.0.1:3142"}), (Reachable{3142, true, false}));
    EXPECT_EQ(reachable_at({"[::]:3142"}), (Reachable{3142, true, true}));
    EXPECT_EQ(reachable_at({"[fd00::1]:3142"}), (Reachable{3142, false, true}));
    EXPECT_EQ(reachable_at({"127.0.0.1:3142", "10.0.0.1:3142", "[fd00::1]:3142"}),
              (Reachable{3142, true, true}));
}

TEST(Reachable, IsNotThisMachineAlone)
{
    EXPECT_EQ(reachable_at({}), Reachable{});
    EXPECT_EQ(reachable_at({"127.0.0.1:3142", "127.8.0.1:80", "[::1]:3142", "unix:/run/a:1", "?"}),
              Reachable{});
}

TEST(Reachable, HasOnePortTheFirst)
{
    EXPECT_EQ(reachable_at({"127.0.0.1:1", "10.0.0.1:3143", "[::]:3142"}),
              (Reachable{3143, true, false}));
}

}  // namespace
}  // namespace aptward::node
