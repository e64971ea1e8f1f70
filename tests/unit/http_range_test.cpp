// SPDX-License-Identifier: GPL-3.0-or-later
// Ranges exactly as RFC 9110 14 says, because apt resumes by them; and the dates beside them.
#include <gmock/gmock.h>

#include <string>

#include "http/message.h"

namespace aptward::http {
namespace {

TEST(Range, V37_AnswersOneByteRangeExactly)
{
    struct Case {
        std::string_view header;
        std::uint64_t size, first, last;
    };
    const Case cases[] = {
        {"bytes=0-", 10, 0, 9},
        {"bytes=0-0", 10, 0, 0},
        {"bytes=9-", 10, 9, 9},
        {"bytes=3-5", 10, 3, 5},
        {"BYTES=3-5", 10, 3, 5},
        {"bytes=003-5", 10, 3, 5},
        {"bytes=3-100", 10, 3, 9},
        {"bytes=3-99999999999999999999999", 10, 3, 9},
        {"bytes=-1", 10, 9, 9},
        {"bytes=-10", 10, 0, 9},
        {"bytes=-11", 10, 0, 9},
        {"bytes=-99999999999999999999999", 10, 0, 9},
        {"bytes=5000000000-", 5000000001, 5000000000, 5000000000},
    };
    for (const Case& c : cases) {
        const RangeDecision decision = decide_range(c.header, c.size);
        EXPECT_EQ(decision.answer, RangeAnswer::part) << c.header;
        EXPECT_EQ(decision.range.first, c.first) << c.header;
        EXPECT_EQ(decision.range.last, c.last) << c.header;
    }
}

TEST(Range, V37_CannotSatisfyWhatStartsPastTheEnd)
{
    for (const std::string_view header :
         {"bytes=10-", "bytes=10-20", "bytes=11-", "bytes=-0", "bytes=99999999999999999999999-",
          "bytes=18446744073709551615-"})
        EXPECT_EQ(decide_range(header, 10).answer, RangeAnswer::unsatisfiable) << header;
    EXPECT_EQ(decide_range("bytes=0-", 0).answer, RangeAnswer::unsatisfiable);
    EXPECT_EQ(decide_range("bytes=-5", 0).answer, RangeAnswer::whole);
}

TEST(Range, V37_AnswersWholeWhenMalformedForeignOrManifold)
{
    for (const std::string_view header : {"",
                                          "bytes",
                                          "bytes=",
                                          "bytes=-",
                                          "bytes=5",
                                          "bytes=5-3",
                                          "bytes=a-b",
                                          "bytes=1-b",
                                          "bytes=+1-2",
                                          "bytes=1-+2",
                                          "bytes=--1",
                                          "bytes=1--2",
                                          "bytes=0x1-2",
                                          "bytes =0-1",
                                          "bytes= 0-1",
                                          "bytes=0 -1",
                                          "bytes=0- 1",
                                          "items=0-1",
                                          "seconds=1-2",
                                          "bytes=0-1,3-4",
                                          "bytes=0-,0-",
                                          "bytes=-1,-2",
                                          ",",
                                          "bytes=0-1,",
                                          "bytes:0-1",
                                          "0-1",
                                          "bytes=0-1\n"})
        EXPECT_EQ(decide_range(header, 10).answer, RangeAnswer::whole) << header;
    std::string many = "bytes=0-";
    for (int i = 0; i < 10'000; ++i)
        many += ",0-";
    EXPECT_EQ(decide_range(many, 10).answer, RangeAnswer::whole);
}

TEST(HttpDate, V37_PrintsAndReadsImfFixdate)
{
    struct Case {
        std::int64_t seconds;
        std::string_view text;
    };
    const Case cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {1709164799, "Wed, 28 Feb 2024 23:59:59 GMT"},
        {1709164800, "Thu, 29 Feb 2024 00:00:00 GMT"},
        {4102444800, "Fri, 01 Jan 2100 00:00:00 GMT"},
        {-1, "Wed, 31 Dec 1969 23:59:59 GMT"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
        {-62167219200, "Sat, 01 Jan 0000 00:00:00 GMT"},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(format_http_date(from_unix(c.seconds)), c.text);
        EXPECT_EQ(parse_http_date(c.text), from_unix(c.seconds)) << c.text;
    }
    EXPECT_EQ(format_http_date(SystemTime::max()), "Fri, 31 Dec 9999 23:59:59 GMT");
    EXPECT_EQ(format_http_date(SystemTime::min()), "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST(HttpDate, ReadsTheTwoObsoleteForms)
{
    EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), from_unix(784111777));
    EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994"), from_unix(784111777));
    EXPECT_EQ(parse_http_date("Thu Feb 29 00:00:00 2024"), from_unix(1709164800));
    EXPECT_EQ(parse_http_date("Thursday, 29-Feb-24 00:00:00 GMT"), from_unix(1709164800));
    EXPECT_EQ(parse_http_date("Thursday, 01-Jan-70 00:00:00 GMT"), from_unix(0));
}

TEST(HttpDate, ReadsNothingElse)
{
    for (const std::string_view text : {"",
                                        "0",
                                        "now",
                                        "Sun, 06 Nov 1994 08:49:37",
                                        "Sun, 06 Nov 1994 08:49:37 CET",
                                        "Sun, 06 Nov 1994 08:49:37 +0000",
                                        "Sun, 06 Nov 1994 08:49:37 GMT ",
                                        " Sun, 06 Nov 1994 08:49:37 GMT",
                                        "Sun, 6 Nov 1994 08:49:37 GMT",
                                        "Mon, 06 Nov 1994 08:49:37 GMT",
                                        "sun, 06 nov 1994 08:49:37 gmt",
                                        "Sun, 06 Nov 1994 24:00:00 GMT",
                                        "Sun, 06 Nov 1994 08:60:00 GMT",
                                        "Sun, 06 Nov 1994 08:49:60 GMT",
                                        "Sun, 06 Nov 94 08:49:37 GMT",
                                        "Sun, 00 Nov 1994 08:49:37 GMT",
                                        "Wed, 29 Feb 2023 00:00:00 GMT",
                                        "Sun, 06 Nov 1994 8:49:37 GMT",
                                        "Sun, 06 Nov 19940 08:49:37 GMT",
                                        "Sun, -6 Nov 1994 08:49:37 GMT",
                                        "Sunday, 06-Nov-1994 08:49:37 GMT",
                                        "Tuesday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov 6 08:49:37 1994",
                                        "Sun Nov   6 08:49:37 1994",
                                        "1994-11-06T08:49:37Z"})
        EXPECT_EQ(parse_http_date(text), std::nullopt) << text;
}

}  // namespace
}  // namespace aptward::http
