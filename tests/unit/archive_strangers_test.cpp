// SPDX-License-Identifier: GPL-3.0-or-later
// Places that no archive claims, as they are remembered over a restart.
#include "archive/strangers.h"

#include <gmock/gmock.h>

namespace aptward::archive {
namespace {

TEST(Strangers, APlaceIsTheSameAfterARestart)
{
    Strangers strangers;
    const auto note = [&](const char* path, bool is_https) {
        strangers.note("vendor.example", path, is_https, "192.0.2.7", from_unix(1'000));
    };
    note("/a folder/dists/noble/InRelease", false);
    note("/100%/pool/x.deb", true);
    note("/dists/noble/InRelease", true);
    note("/", false);
    Strangers again;
    again.restore(strangers.save());
    const auto before = strangers.all(), after = again.all();
    ASSERT_EQ(before.size(), 4U);
    ASSERT_EQ(after.size(), 4U);
    for (std::size_t i = 0; i < before.size(); ++i) {
        EXPECT_EQ(after[i].folder, before[i].folder);
        EXPECT_EQ(after[i].is_https, before[i].is_https);
        EXPECT_EQ(after[i].requests, 1U) << before[i].folder;
        EXPECT_EQ(after[i].last, from_unix(1'000));
        EXPECT_THAT(after[i].clients, testing::ElementsAre("192.0.2.7"));
    }
}

TEST(Strangers, WhatDoesNotParseIsLeftOut)
{
    Strangers strangers;
    strangers.restore(
        "http vendor.example\n\nhttp vendor.example /../x 1 1\nhttp v.example * 1 1\n");
    EXPECT_TRUE(strangers.all().empty());
}

}  // namespace
}  // namespace aptward::archive
