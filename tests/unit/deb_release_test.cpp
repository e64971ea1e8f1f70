// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include "deb/deb.h"

namespace aptward::deb {
namespace {

const std::string kHash(64, 'a');
const std::string kOtherHash(64, 'b');
const std::string kDate = "Date: Sat, 22 Nov 2025 07:49:53 UTC\n";

std::string release_with(const std::string& more)
{
    return "Origin: Test\nSuite: stable\n" + kDate + more;
}

TEST(Release, ReadsWhatArchivesPublish)
{
    const auto release = parse_release(release_with(
        "Codename: bookworm\nComponents: updates/main contrib\nArchitectures: all amd64\n"
        "Acquire-By-Hash: yes\nNo-Support-for-Architecture-all: Packages\nSigned-By: ABC\n"
        "MD5Sum:\n 0123 5 main/x\nSHA256:\n " +
        kHash + " 5 ./main/x\n"));
    ASSERT_TRUE(release) << release.error().message();
    EXPECT_EQ(release->codename, "bookworm");
    EXPECT_EQ(release->components.size(), 2U);
    EXPECT_TRUE(release->acquire_by_hash && release->packages_without_all);
    ASSERT_NE(release->find("main/x"), nullptr);
    EXPECT_EQ(release->find("main/x")->digests.front().size_bytes, 5U);
}

TEST(Release, V31_KeepsPrefixedComponents)
{
    const auto release = parse_release(release_with("Components: updates/main\n"));
    ASSERT_TRUE(release);
    EXPECT_EQ(release->components.front(), "updates/main");
}

TEST(Release, V22_RefusesDuplicateFieldsNulBytesAndSecondParagraphs)
{
    for (const std::string& bad :
         {release_with("Suite: other\n"), release_with("suite: other\n"),
          release_with(std::string("Label: a\0b\n", 11)), release_with("Label: \xff\xfe\n"),
          release_with("\nSuite: second\n"), release_with("\nVersion: 2\n")}) {
        const auto release = parse_release(bad);
        ASSERT_FALSE(release) << bad;
        EXPECT_EQ(release.error().code(), Errc::malformed);
    }
}

TEST(Release, V23_OnlyStrongSectionsGiveTrustAndANameHasOneSizeAndHash)
{
    EXPECT_FALSE(parse_release(release_with("MD5Sum:\n 0123456789abcdef0123456789abcdef 5 x\n")));
    const std::string once = "SHA256:\n " + kHash + " 5 x\n";
    EXPECT_TRUE(parse_release(release_with(once)));
    EXPECT_FALSE(parse_release(release_with(once + " " + kOtherHash + " 5 x\n")));
    EXPECT_FALSE(parse_release(release_with(once + " " + kHash + " 6 x\n")));
    EXPECT_FALSE(parse_release(release_with(once + "SHA512:\n " + kHash + kHash + " 6 x\n")));
    EXPECT_FALSE(parse_release(release_with("SHA256:\n abc 5 x\n")));
    EXPECT_FALSE(parse_release(release_with("SHA256:\n " + kHash + " 2199023255552 x\n")));
}

TEST(Release, V30_ListsWithWeakHashesAloneAreRefused)
{
    const std::string md5 = "MD5Sum:\n 0123456789abcdef0123456789abcdef 5 x\n";
    const std::string sha1 = "SHA1:\n " + std::string(40, 'a') + " 5 x\n";
    for (const std::string& weak : {md5, sha1, md5 + sha1})
        EXPECT_FALSE(parse_release(release_with(weak))) << weak;
    EXPECT_TRUE(parse_release(release_with(md5 + sha1 + "SHA256:\n " + kHash + " 5 x\n")));
}

TEST(Release, V24_RefusesNamesThatLeaveTheArchive)
{
    for (const char* name : {"../x", "main/../../x", "/etc/passwd", "a\\b"})
        EXPECT_FALSE(parse_release(release_with("SHA256:\n " + kHash + " 5 " + name + "\n")))
            << name;
    EXPECT_EQ(clean_relative_path("./a//b"), "a/b");
    EXPECT_FALSE(clean_relative_path(std::string(5000, 'a')));
    EXPECT_FALSE(clean_relative_path("a\x01"));
}

TEST(Release, V25_NeedsADateThatCanBeRead)
{
    EXPECT_FALSE(parse_release("Suite: stable\n"));
    EXPECT_FALSE(parse_release("Suite: stable\nDate: yesterday\n"));
    EXPECT_FALSE(parse_release(release_with("Valid-Until: soon\n")));
}

TEST(ReleaseDate, ReadsEverySpellingThatArchivesUse)
{
    const auto wanted = parse_release_date("Tue, 22 Sep 2026 07:49:53 UTC");
    ASSERT_TRUE(wanted);
    for (const char* text : {"Tue, 22 Sep 2026  7:49:53 UTC", "Tue, 22 Sep 2026 07:49:53 +0000",
                             "Tue, 22 Sep 2026 07:49:53 GMT", "Tue, 22 Sep 2026 07:49:53 Z"}) {
        const auto date = parse_release_date(text);
        ASSERT_TRUE(date) << text;
        EXPECT_EQ(*date, *wanted);
    }
    for (const char* text : {"", "Tue, 22 Sep 2026 07:49:53 CET", "Tue, 32 Sep 2026 07:49:53 UTC",
                             "Tue, 22 Sep 2026 25:49:53 UTC"})
        EXPECT_FALSE(parse_release_date(text)) << text;
    EXPECT_EQ(format_release_date(*wanted), "Tue, 22 Sep 2026 07:49:53 UTC");
}

TEST(SuitePath, A22_V29_SuiteOrCodenameMustFit)
{
    struct Row {
        const char *suite, *codename, *path;
        bool fits;
    };
    for (const Row& row :
         {Row{"oldstable", "bookworm", "bookworm", true}, Row{"stable", "trixie", "stable", true},
          Row{"oldstable-security", "bookworm-security", "bookworm-security", true},
          Row{"noble", "noble", "noble", true}, Row{"noble-proposed", "noble", "noble", false},
          Row{"noble-proposed", "noble", "noble-proposed", true},
          Row{"noble", "noble", "noble-updates", false}, Row{"sid", "sid", "bookworm", false},
          Row{"unstable", "sid", "sid", true}, Row{"x", "y", "flat/", true}}) {
        Release release;
        release.suite = row.suite;
        release.codename = row.codename;
        EXPECT_EQ(fits_suite_path(release, row.path), row.fits)
            << row.suite << " " << row.codename << " at " << row.path;
    }
}

TEST(IndexName, TellsKindsApart)
{
    EXPECT_EQ(classify_index("main/binary-amd64/Packages.xz").kind, IndexKind::packages);
    EXPECT_EQ(classify_index("Packages").kind, IndexKind::packages);
    EXPECT_EQ(classify_index("main/source/Sources.gz").kind, IndexKind::sources);
    EXPECT_EQ(classify_index("main/binary-amd64/Packages.diff/Index").kind, IndexKind::pdiff);
    EXPECT_EQ(classify_index("main/i18n/Translation-en.bz2").kind, IndexKind::translation);
    EXPECT_EQ(without_compression("a/Packages.xz"), "a/Packages");
}

}  // namespace
}  // namespace aptward::deb
