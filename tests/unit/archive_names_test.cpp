// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/names.h"

#include <gtest/gtest.h>

#include "archive/host_aliases.h"

namespace aptward::archive {
namespace {

TEST(FindPrefixTest, TheLongestPathWinsThenTheNameThenTheFirst)
{
    const std::vector<Prefix> prefixes = {
        read_prefix("*.archive.example/debian", 0), read_prefix("de.archive.example/debian", 1),
        read_prefix("*.example/debian", 2), read_prefix("*.archive.example/debian/sub", 3)};
    const auto found = [&](const char* host, const char* path) {
        const auto match = find_prefix(prefixes, host, path);
        return match ? static_cast<int>(match->archive) : -1;
    };
    EXPECT_EQ(found("fr.archive.example", "/debian/dists"), 0);
    EXPECT_EQ(found("de.archive.example", "/debian/dists"), 1);
    EXPECT_EQ(found("other.example", "/debian/dists"), 2);
    EXPECT_EQ(found("de.archive.example", "/debian/sub/x"), 3);
    EXPECT_EQ(found("archive.example", "/debian-security/dists"), -1);
    EXPECT_EQ(found(".archive.example", "/debian"), 2) << "a star stands for something";
}

TEST(HostAliasesTest, TheVendorsOtherNamesAreKnown)
{
    const auto match = [](const char* claimed, const char* host, const char* path) {
        std::vector<Prefix> prefixes;
        for (const std::string& alias : host_aliases({claimed}))
            prefixes.push_back(read_prefix(alias, 0));
        return find_prefix(prefixes, host, path).has_value();
    };
    EXPECT_TRUE(
        match("http://archive.ubuntu.com/ubuntu", "security.ubuntu.com", "/ubuntu/dists/x"));
    EXPECT_TRUE(
        match("de.archive.ubuntu.com/ubuntu/", "us-east-1.ec2.archive.ubuntu.com", "/ubuntu"));
    EXPECT_TRUE(match("deb.debian.org/debian", "ftp.de.debian.org", "/debian/pool"));
    EXPECT_TRUE(match("security.debian.org", "deb.debian.org", "/debian-security/dists"));
    EXPECT_FALSE(match("deb.debian.org/debian", "deb.debian.org", "/debian-security/dists"));
    EXPECT_FALSE(match("deb.debian.org/debian", "evil.example", "/debian/dists"));
    EXPECT_TRUE(host_aliases({"archive.example/ubuntu"}).empty());
}

}  // namespace
}  // namespace aptward::archive
