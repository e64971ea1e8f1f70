// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/listing.h"

#include <gtest/gtest.h>

namespace aptward::s3 {
namespace {

std::string contents(const std::string& key, const std::string& size = "5",
                     const std::string& modified = "2026-11-28T06:00:01.000Z")
{
    return "<Contents><Key>" + key + "</Key><LastModified>" + modified +
           "</LastModified><ETag>&quot;x&quot;</ETag><Size>" + size +
           "</Size><StorageClass>STANDARD</StorageClass><Owner><ID>1</ID><DisplayName>T"
           "</DisplayName></Owner><Type>Normal</Type></Contents>";
}

std::string result(const std::string& inner, const std::string& cut = "false")
{
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult "
           "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Prefix></Prefix>"
           "<MaxKeys>1000</MaxKeys><IsTruncated>" +
           cut + "</IsTruncated>" + inner + "</ListBucketResult>";
}

TEST(Listing, ReadsWhatServicesSay)
{
    const auto read =
        read_listing(result(contents("sha256/ab/cd") + "\n" + contents("x &amp; y", "0"), "true"));
    ASSERT_TRUE(read);
    ASSERT_EQ(read->objects.size(), 2U);
    EXPECT_EQ(read->objects[0].key, "sha256/ab/cd");
    EXPECT_EQ(read->objects[0].size_bytes, 5U);
    EXPECT_EQ(to_unix(read->objects[0].modified), 1'795'845'601);
    EXPECT_EQ(read->objects[1].key, "x & y");
    EXPECT_TRUE(read->is_cut);
    EXPECT_TRUE(read_listing(result(""))->objects.empty());
}

TEST(Listing, TakesNothingElse)
{
    const std::string one = contents("a");
    for (const std::string& text :
         {std::string(), std::string("<html>"), result(one, "maybe"), result("", "true"),
          result(contents("")), result(contents("a", "-1")), result(contents("a", "x")),
          result(contents("a", "1", "yesterday")), result(contents(std::string(1025, 'a'))),
          result("<Contents><Key>a</Key></Contents>"), result("<Contents/><Contents>"),
          result(contents("a</Key><Key>b")), result(one) + "x",
          std::string("<ListBucketResult></ListBucketResult>"),
          result("<a><b><c><d><e><f></f></e></d></c></b></a>")})
        EXPECT_FALSE(read_listing(text)) << text;
    std::string many;
    for (std::size_t i = 0; i <= kMostListed; ++i)
        many += contents(std::to_string(i));
    EXPECT_FALSE(read_listing(result(many)));
    EXPECT_FALSE(read_listing(std::string(kMostListingBytes + 1, ' ')));
}

TEST(Listing, ReadsTimes)
{
    EXPECT_EQ(parse_listed_time("1970-01-02T00:00:00Z"), from_unix(86'400));
    for (const char* text :
         {"", "Z", "1970-01-02T00:00:00", "1970-02-30T00:00:00Z", "1970-01-02T24:00:00Z",
          "1970-01-02 00:00:00Z", "197O-01-02T00:00:00Z"})
        EXPECT_FALSE(parse_listed_time(text)) << text;
}

TEST(Listing, AsksInTheOrderInWhichItIsSigned)
{
    EXPECT_EQ(listing_query("p/sha256/ab/", ""),
              "list-type=2&max-keys=1000&prefix=p%2Fsha256%2Fab%2F");
    EXPECT_EQ(listing_query("leases/", "leases/0"),
              "list-type=2&max-keys=1000&prefix=leases%2F&start-after=leases%2F0");
}

}  // namespace
}  // namespace aptward::s3
