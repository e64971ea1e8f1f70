// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/outage_trace.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace aptward::archive {
namespace {

using std::chrono::minutes;

std::string trace(const std::string& down, const std::string& up)
{
    return fmt::format(
        R"({{"name": "x", "replay": {{"down_minutes": {}, "assumed_up_minutes": {}}}}})", down, up);
}

TEST(OutageTrace, ReadsSilenceAndServiceByTurns)
{
    const auto read = parse_outage_trace(trace("[309, 73]", "[22]"));
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->name, "x");
    EXPECT_EQ(read->down, (std::vector<minutes>{minutes(309), minutes(73)}));
    EXPECT_EQ(read->all_down(), minutes(382));
    EXPECT_EQ(read->all_up(), minutes(22));
    EXPECT_TRUE(parse_outage_trace(trace("[1]", "[]")));
    EXPECT_TRUE(parse_outage_trace(trace("[1]", "[43200]"))) << "a month is the longest";
}

TEST(OutageTrace, RefusesWhatIsNone)
{
    for (const std::string& text :
         {std::string(), std::string("{"), std::string("[1]"), std::string("{}"),
          std::string(R"({"replay": []})"), std::string(R"({"replay": {"down_minutes": [1]}})"),
          std::string(R"({"name": 1, "replay": {"down_minutes": [1], "assumed_up_minutes": []}})"),
          trace("[]", "[]"), trace("[0]", "[]"), trace("[-1]", "[]"), trace("[1.5]", "[]"),
          trace("[\"1\"]", "[]"), trace("[43201]", "[]"), trace("[1]", "[1, 1]"),
          trace("[1, 1, 1]", "[1]"), trace("{}", "[]"), trace("[18446744073709551615]", "[]")})
        EXPECT_FALSE(parse_outage_trace(text)) << text;
    std::string many = "[1";
    for (std::size_t i = 0; i < kMostSilences; ++i)
        many += ",1";
    EXPECT_FALSE(parse_outage_trace(trace(many + "]", many + "]")));
    EXPECT_FALSE(parse_outage_trace(trace("[1]", "[]") + std::string(kMaxTraceBytes, ' ')));
}

}  // namespace
}  // namespace aptward::archive
