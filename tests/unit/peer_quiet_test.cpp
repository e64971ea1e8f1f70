// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/quiet.h"

#include <gtest/gtest.h>

#include <ctime>

namespace aptward::peer {
namespace {

TEST(PeerQuietHours, AreReadAndGoOverMidnight)
{
    const auto night = parse_quiet_hours("22:00-06:30");
    ASSERT_TRUE(night);
    EXPECT_TRUE(night->contains(22 * 60));
    EXPECT_TRUE(night->contains(0));
    EXPECT_TRUE(night->contains(6 * 60 + 29));
    EXPECT_FALSE(night->contains(6 * 60 + 30));
    EXPECT_FALSE(night->contains(12 * 60));
    const auto noon = parse_quiet_hours("12:00-13:00");
    ASSERT_TRUE(noon);
    EXPECT_TRUE(noon->contains(12 * 60));
    EXPECT_FALSE(noon->contains(13 * 60));
    EXPECT_FALSE(noon->contains(0));
}

TEST(PeerQuietHours, AllDayIsAllDay)
{
    const auto always = parse_quiet_hours("00:00-24:00");
    ASSERT_TRUE(always);
    for (int minute = 0; minute < 24 * 60; ++minute)
        EXPECT_TRUE(always->contains(minute));
}

TEST(PeerQuietHours, OthersAreRefusedInASentence)
{
    for (const char* text :
         {"", "22-6", "22:00", "22:00-22:00", "24:00-06:00", "22:00-24:01", "22:60-06:00",
          "2200-0600", "22:00 06:00", "-1:00-06:00", "22:00-06:00 ", "99:99-99:99"}) {
        const auto hours = parse_quiet_hours(text);
        ASSERT_FALSE(hours) << text;
        EXPECT_EQ(hours.error().code(), Errc::malformed);
        EXPECT_NE(hours.error().message().find("22:00-06:00"), std::string::npos);
    }
}

TEST(PeerQuietHours, GoByTheLocalTime)
{
    std::tm noon{};
    noon.tm_year = 126;
    noon.tm_mday = 15;
    noon.tm_hour = 12;
    noon.tm_isdst = -1;
    const SystemTime moment = from_unix(std::mktime(&noon));
    EXPECT_TRUE(are_quiet({{1 * 60, 2 * 60}, {11 * 60, 13 * 60}}, moment));
    EXPECT_FALSE(are_quiet({{13 * 60, 11 * 60}}, moment));
    EXPECT_FALSE(are_quiet({}, moment));
}

}  // namespace
}  // namespace aptward::peer
