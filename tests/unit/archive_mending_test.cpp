// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/mending.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "archive/quota.h"

namespace aptward::archive {
namespace {

Digest digest_of(int number)
{
    Digest digest;
    digest.hash[0] = static_cast<std::uint8_t>(number);
    digest.hash[1] = static_cast<std::uint8_t>(number >> 8);
    digest.hash[2] = static_cast<std::uint8_t>(number >> 16);
    return digest;
}

TEST(FileKeys, KnowsEachOfManyHoweverOftenItCame)
{
    FileKeys keys;
    for (int round = 0; round < 3; ++round)
        for (int number = 0; number < 200'000; number += 2)
            keys.add(digest_of(number));
    keys.sort();
    for (const int number : {0, 2, 65'536, 199'998})
        EXPECT_TRUE(keys.holds(digest_of(number))) << number;
    for (const int number : {1, 3, 65'537, 200'000})
        EXPECT_FALSE(keys.holds(digest_of(number))) << number;
}

TEST(Mending, IsReadAsItWasWritten)
{
    Mending mending{3, 2, 1, 4, {{"pool/a.deb of debian sid", "no source answers"}}};
    nlohmann::json result = {{"damaged", nlohmann::json::array()}};
    add_to(result, mending);
    const Mending read = mending_of(result);
    EXPECT_EQ(to_text(read), to_text(mending));
    EXPECT_EQ(to_text(read),
              "; 4 that no release names any more; 3 missing; 2 fetched again; 1 could not be "
              "fetched and will be tried again, the first pool/a.deb of debian sid: no source "
              "answers");
    EXPECT_EQ(to_text(mending_of(nlohmann::json())), "");
    EXPECT_EQ(to_text(Mending{}), "");
}

TEST(Quota, IsExceededByWhatStaysAndNotByWhatMayGo)
{
    Quota quota(100, std::chrono::hours(1));
    EXPECT_EQ(quota.over_bytes(), 0U) << "nothing was counted";
    quota.note({150, 60, 30, 100, 1000});
    EXPECT_EQ(quota.over_bytes(), 0U);
    EXPECT_EQ(held_now(*quota.count(), 1007), 157U);
    quota.note({150, 60, 45, 105, 1000});
    EXPECT_EQ(quota.over_bytes(), 5U);
    quota.set_bytes(0);
    EXPECT_EQ(quota.over_bytes(), 0U) << "there is none";
    quota.set_bytes(105);
    EXPECT_EQ(quota.over_bytes(), 0U);
}

}  // namespace
}  // namespace aptward::archive
