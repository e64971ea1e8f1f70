// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include "../packing.h"
#include "deb/deb.h"
#include "deb/scan.h"

namespace aptward::deb {
namespace {

const std::string kHash(64, 'c');

std::vector<std::pair<std::string, Digest>> files_of(const std::string& text)
{
    std::vector<std::pair<std::string, Digest>> files;
    const auto done = scan_packages(text, [&](const PoolFile& file) {
        files.emplace_back(std::string(file.path), file.digest);
    });
    EXPECT_TRUE(done) << done.error().message();
    return files;
}

TEST(Packages, GivesEveryFileWithItsDigest)
{
    const auto files = files_of("Package: a\nFilename: ./pool/a.deb\nSize: 7\nSHA256: " + kHash +
                                "\nDescription: x\n Filename: not/this\n\nPackage: virtual\n\n"
                                "Package: b\nFilename: pool/b+c~1.deb\nSize: 9\nSHA512: " +
                                kHash + kHash + "\n");
    ASSERT_EQ(files.size(), 2U);
    EXPECT_EQ(files[0].first, "pool/a.deb");
    EXPECT_EQ(files[0].second.size_bytes, 7U);
    EXPECT_EQ(files[1].second.algorithm, HashAlgorithm::sha512);
}

TEST(Packages, EachFileComesWithTheRecordThatNamesIt)
{
    const std::string text =
        "Package: a\nFilename: a.deb\nSize: 7\nSHA256: " + kHash +
        "\n\nPackage: virtual\n\n\nPackage: b\nFilename: b.deb\nSize: 9\nSHA256: " + kHash +
        "\nSection: net\n";
    std::vector<std::string> packages;
    const auto visit = [&](const PoolFile& file) {
        const PackageFields fields = read_package_fields(file.record);
        packages.push_back(std::string(fields.package) + "/" + std::string(fields.section));
    };
    ASSERT_TRUE(scan_packages(text, visit));
    ASSERT_TRUE(scan_packages_portable(text, visit));
    EXPECT_EQ(packages, (std::vector<std::string>{"a/", "b/net", "a/", "b/net"}));
}

TEST(PackageFields, AreReadInEverySpellingAndOverSeveralLines)
{
    const PackageFields fields = read_package_fields(
        "package : foo\r\nSource: bar (1.0)\nDescription: x\n Depends: not this\n"
        "Depends: a,\n b | c\nSection: net\nSection: admin\n");
    EXPECT_EQ(fields.package, "foo");
    EXPECT_EQ(fields.source, "bar (1.0)");
    EXPECT_EQ(fields.depends, "a,\n b | c");
    EXPECT_EQ(fields.section, "admin");
    EXPECT_TRUE(fields.provides.empty());
}

TEST(PackageFields, RelationsAreNamesWithoutVersionsAndArchitectures)
{
    using Names = std::vector<std::vector<std::string_view>>;
    EXPECT_EQ(parse_relations("a (>= 1.2) | b:any,\n libc++1 [amd64] <!nocheck>, ,d|e"),
              (Names{{"a", "b"}, {"libc++1"}, {"d", "e"}}));
    EXPECT_EQ(parse_relations(" , | (>= 1)"), Names());
    EXPECT_EQ(parse_relations(""), Names());
}

TEST(Packages, A25_RefusesRecordsThatNameAFileWithoutProof)
{
    const auto nothing = [](const PoolFile&) {};
    for (const std::string& bad :
         {std::string("Filename: pool/a.deb\nSize: 7\n"),
          "Filename: pool/a.deb\nSHA256: " + kHash + "\n",
          "Filename: ../a.deb\nSize: 7\nSHA256: " + kHash + "\n",
          "Filename: a.deb\nSize: -7\nSHA256: " + kHash + "\n",
          std::string("Filename: a.deb\nSize: 7\nSHA256: abc\n"),
          "Filename: a.deb\nFilename: b.deb\nSize: 7\nSHA256: " + kHash + "\n"}) {
        const auto done = scan_packages(bad, nothing);
        ASSERT_FALSE(done) << bad;
        EXPECT_EQ(done.error().code(), Errc::malformed);
    }
}

TEST(Sources, GivesOneFilePerListedName)
{
    std::vector<std::string> paths;
    const auto done = scan_sources("Package: a\nDirectory: pool/a\nChecksums-Sha256:\n " + kHash +
                                       " 5 a.dsc\n " + kHash + " 6 a.tar.xz\n",
                                   [&](const PoolFile& file) {
                                       paths.emplace_back(file.path);
                                       EXPECT_EQ(read_package_fields(file.record).package, "a");
                                   });
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(paths, (std::vector<std::string>{"pool/a/a.dsc", "pool/a/a.tar.xz"}));
}

TEST(Decompress, A4b_V32_StopsABombAtItsLimit)
{
    const std::string bomb(50'000'000, '\0');
    for (const auto& [packed, kind] :
         {std::pair{gzip(bomb), Compression::gz}, std::pair{xz(bomb), Compression::xz}}) {
        EXPECT_FALSE(decompress(packed, kind, 1'000'000));
        const auto whole = decompress(packed, kind, bomb.size());
        ASSERT_TRUE(whole) << whole.error().message();
        EXPECT_EQ(*whole, bomb);
        EXPECT_FALSE(decompress(packed.substr(0, packed.size() / 2), kind, bomb.size()));
        EXPECT_FALSE(decompress(packed + "garbage", kind, bomb.size()));
    }
}

std::string noise(std::size_t bytes)
{
    std::string text;
    for (std::uint32_t state = 1; text.size() < bytes;) {
        state = state * 1664525 + 1013904223;
        text += static_cast<char>(state >> 24);
    }
    return text;
}

// Large enough to be unpacked by several threads (kWorthThreads), as one block and as many.
TEST(Decompress, A4b_V32_BlocksSideBySideAreAsExactAsOneAfterTheOther)
{
    const std::string plain = noise(5'000'000);
    for (const std::size_t block : {std::size_t{1'000'000}, plain.size()}) {
        const std::string packed = xz(plain, block);
        ASSERT_GT(packed.size(), 1U << 20);
        const auto whole = decompress(packed, Compression::xz, plain.size());
        ASSERT_TRUE(whole) << whole.error().message();
        EXPECT_TRUE(*whole == plain);
        std::string room(plain.size(), '\0');
        EXPECT_TRUE(decompress_exactly(packed, Compression::xz, room, [](std::size_t) {}));
        EXPECT_TRUE(room == plain);
        const auto two = decompress(packed + packed, Compression::xz, 2 * plain.size());
        ASSERT_TRUE(two) << two.error().message();
        EXPECT_TRUE(*two == plain + plain);
        EXPECT_FALSE(decompress(packed, Compression::xz, plain.size() - 1));
        EXPECT_FALSE(decompress(packed + "garbage", Compression::xz, plain.size()));
        for (const std::size_t part : {3U, 2U}) {
            EXPECT_FALSE(decompress(packed.substr(0, packed.size() / part * (part - 1)),
                                    Compression::xz, plain.size()));
            std::string wrong = packed;
            wrong[packed.size() / part] ^= 1;
            EXPECT_FALSE(decompress(wrong, Compression::xz, plain.size()));
        }
    }
}

TEST(Decompress, A4b_FillsARoomExactlyOrFails)
{
    const std::string plain(3'000'000, 'x');
    for (const auto& [packed, kind] :
         {std::pair{gzip(plain), Compression::gz}, std::pair{xz(plain), Compression::xz}}) {
        for (const std::size_t size : {plain.size() - 1, plain.size(), plain.size() + 1}) {
            std::string room(size, '\0');
            std::size_t last = 0, steps = 0;
            const auto progress = [&](std::size_t available) {
                EXPECT_GE(available, last);
                EXPECT_EQ(room.substr(0, available), plain.substr(0, available));
                last = available;
                ++steps;
            };
            const auto unpacked = decompress_exactly(packed, kind, room, progress);
            EXPECT_EQ(unpacked.has_value(), size == plain.size()) << size;
            EXPECT_LE(last, size);
            if (kind == Compression::xz) {
                EXPECT_GE(steps, 3U);
            }
        }
        EXPECT_FALSE(decompress_exactly("", kind, {}, [](std::size_t) {}));
    }
    EXPECT_TRUE(decompress_exactly(gzip(""), Compression::gz, {}, [](std::size_t) {}));
    EXPECT_TRUE(decompress_exactly(xz(""), Compression::xz, {}, [](std::size_t) {}));
}

TEST(Packages, AnEmptyIndexListsNothing)
{
    const auto nothing = [](const PoolFile&) {};
    for (const std::string_view empty : {std::string_view(), std::string_view("")}) {
        EXPECT_TRUE(scan_packages(empty, nothing));
        EXPECT_TRUE(scan_packages_portable(empty, nothing));
    }
}

}  // namespace
}  // namespace aptward::deb
