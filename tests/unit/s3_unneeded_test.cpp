// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/unneeded.h"

#include <gtest/gtest.h>

#include "crypto/crypto.h"
#include "s3/deleter.h"
#include "temporary_folder.h"

namespace aptward::s3 {
namespace {

using std::chrono::seconds;

Moment at(int service, int node)
{
    return {from_unix(service), from_unix(node)};
}

Unneeded::Key key_of(std::uint8_t first, std::uint8_t second)
{
    Unneeded::Key key{};
    key[0] = first;
    key[1] = second;
    return key;
}

TEST(Unneeded, AClockThatJumpsMakesNothingOlder)
{
    EXPECT_EQ(age(at(100, 100), at(160, 150)), seconds(50));
    EXPECT_EQ(age(at(100, 100), at(1'000'000, 110)), seconds(10));
    EXPECT_EQ(age(at(100, 100), at(110, 1'000'000)), seconds(10));
    EXPECT_EQ(age(at(100, 100), at(50, 1'000'000)), seconds(0));
}

TEST(Unneeded, WhatIsNeededForAMomentWaitsAnew)
{
    Unneeded unneeded;
    unneeded.begin("a");
    const auto one = key_of(7, 1), two = key_of(7, 2), other = key_of(8, 1);
    unneeded.replace_part(7, {{one, {10, at(1, 1)}}, {two, {20, at(1, 1)}}});
    unneeded.replace_part(8, {{other, {30, at(1, 1)}}});
    unneeded.replace_part(7, {{one, {10, at(5, 5)}}});  // the other one was needed then
    unneeded.replace_part(7, {{one, {10, at(9, 9)}}, {two, {20, at(9, 9)}}});
    EXPECT_EQ(unneeded.find(one)->since.service, from_unix(1));
    EXPECT_EQ(unneeded.find(two)->since.service, from_unix(9));
    EXPECT_EQ(unneeded.find(other)->since.service, from_unix(1));
    unneeded.forget(one);
    EXPECT_EQ(unneeded.find(one), nullptr);
}

TEST(Unneeded, OfAnotherBucketNothingIsKnown)
{
    Unneeded unneeded;
    unneeded.begin("a");
    unneeded.replace_part(7, {{key_of(7, 1), {10, at(1, 1)}}});
    unneeded.begin("a");
    EXPECT_EQ(unneeded.objects().size(), 1U);
    unneeded.begin("b");
    EXPECT_TRUE(unneeded.objects().empty());
}

TEST(Unneeded, R2_RemembersOverARestartAndForgetsWhatIsDamaged)
{
    const TemporaryFolder folder;
    const auto file = folder.path() / "unneeded";
    Unneeded unneeded;
    unneeded.begin("bucket");
    const auto key = unneeded_key(crypto::digest_of("x"));
    unneeded.replace_part(key[0], {{key, {10, at(3, 4)}}});
    ASSERT_TRUE(unneeded.save(file));
    Unneeded again;
    again.load(file);
    again.begin("bucket");
    ASSERT_NE(again.find(key), nullptr);
    EXPECT_EQ(again.find(key)->since.node, from_unix(4));
    EXPECT_EQ(again.text(), unneeded.text());
    EXPECT_TRUE(Unneeded::parse("bucket\nxyz 1 2 3\nab\n" + std::string(64, 'a') + " 1 2\n")
                    .objects()
                    .empty());
    again.load(folder.path() / "none");
    EXPECT_TRUE(again.objects().empty());
}

TEST(Deleter, GoesByALookAtTheLeasesForAMinuteAtMost)
{
    EXPECT_EQ(within_of(std::chrono::hours(720)), seconds(60));
    EXPECT_EQ(within_of(seconds(100)), seconds(10));
    EXPECT_EQ(within_of(seconds(1)), seconds(2));
}

}  // namespace
}  // namespace aptward::s3
