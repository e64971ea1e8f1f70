// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/snapshot_diff.h"

#include <gmock/gmock.h>

namespace aptward::archive {
namespace {

using testing::ElementsAre;

std::string record(const std::string& name, const std::string& version, char hash,
                   const std::string& more = "")
{
    return "Package: " + name + "\nVersion: " + version + "\nArchitecture: amd64\n" + more +
           "Filename: pool/" + name + "_" + version +
           ".deb\nSize: 10\nSHA256: " + std::string(64, hash) + "\n\n";
}

PackageStates states(const std::string& index)
{
    PackageStates packages;
    EXPECT_TRUE(add_packages(index, packages));
    return packages;
}

TEST(SnapshotDiff, TellsWhatBecameOfEachPackage)
{
    const auto before =
        states(record("gone", "1", 'a') + record("newer", "1.9", 'b') + record("older", "2", 'c') +
               record("other", "1", 'd') + record("same", "1", 'e'));
    const auto after = states(record("newer", "1.10", 'f', "Source: newer-src (1.10)\n") +
                              record("older", "2~rc1", 'a') + record("other", "1", 'b') +
                              record("same", "1", 'e') + record("shiny", "1", 'c'));
    std::vector<std::string> seen;
    for (const PackageChange& change : compare(before, after))
        seen.push_back(std::string(to_string(change.kind)) + " " + change.package + " " +
                       change.from + ">" + change.to + " " + change.source);
    EXPECT_THAT(seen,
                ElementsAre("removed gone 1> gone", "upgraded newer 1.9>1.10 newer-src (1.10)",
                            "downgraded older 2>2~rc1 older", "rebuilt other 1>1 other",
                            "added shiny >1 shiny"));
    EXPECT_TRUE(compare(before, before).empty());
}

TEST(SnapshotDiff, OfSeveralVersionsTheNewestIsCompared)
{
    const auto both =
        states(record("a", "1", 'a') + record("a", "2", 'b') + record("a", "1.5", 'c'));
    EXPECT_EQ(both.at({"a", "amd64"}).version, "2");
    EXPECT_FALSE(add_packages("Package: a\nFilename: ../a\nSize: 1\nSHA256: x\n",
                              *std::make_unique<PackageStates>()));
}

TEST(SnapshotDiff, AChangelogIsReadDownToTheVersionBefore)
{
    const std::string text =
        "a (2-1) unstable; urgency=low\n\n  * Second\x1b[31m.\n\n -- X <x@y>  Thu, 1 Jan\n\n"
        "a (1-2) unstable; urgency=low\n\n  * First.\n\n -- X <x@y>  Thu, 1 Jan\n";
    const std::string excerpt = changelog_since(text, "1-2");
    EXPECT_THAT(excerpt, testing::StartsWith("a (2-1) unstable"));
    EXPECT_THAT(excerpt, testing::EndsWith("Thu, 1 Jan\n"));
    EXPECT_THAT(excerpt, testing::Not(testing::HasSubstr("First")));
    EXPECT_THAT(excerpt, testing::Not(testing::HasSubstr("\x1b"))) << "a terminal is not spoken to";
    EXPECT_THAT(changelog_since(text, ""), testing::HasSubstr("First"));
    EXPECT_EQ(changelog_since(text, "3"), "");
    EXPECT_LT(changelog_since(std::string(100'000, 'x') + "\n", "").size(), 5000U);
    EXPECT_EQ(changelog_since("", "1"), "");
}

}  // namespace
}  // namespace aptward::archive
