// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/apt_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "base/file.h"
#include "crypto/crypto.h"
#include "temporary_folder.h"

namespace aptward::archive {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;

class AptCacheTest : public testing::Test {
protected:
    AptCacheTest()
    {
        std::filesystem::create_directories(folders_.archives / "partial");
        std::filesystem::create_directories(folders_.lists / "partial");
    }

    // As apt does it: never in place.
    static Digest put(const std::filesystem::path& path, const std::string& bytes)
    {
        const std::filesystem::path fresh = path.string() + ".new";
        std::ofstream(fresh) << bytes;
        std::filesystem::rename(fresh, path);
        return crypto::digest_of(bytes);
    }
    static Digest without_size(Digest digest)
    {
        digest.size_bytes = 0;
        return digest;
    }
    Digest put_package(const std::string& bytes, const std::string& name = "foo_1_all.deb")
    {
        return put(folders_.archives / name, bytes);
    }
    AptCache cache() { return {folders_, temporary_.path() / "apt-files", workers_}; }

    // What a flight would read.
    static Result<std::string> read(const AptCache& cache, const Digest& digest)
    {
        fetch::Want want;
        want.digest = digest;
        cache.add(want);
        if (want.elsewhere.empty())
            return fail(Errc::not_found, "it is not offered");
        std::string all;
        for (;;) {
            std::promise<Result<std::string>> promised;
            want.elsewhere.front().source->read_local()(
                digest, all.size(),
                [&](Result<std::string> piece) { promised.set_value(std::move(piece)); });
            TRY(const std::string piece, promised.get_future().get());
            if (piece.empty())
                return all;
            all += piece;
        }
    }

    const TemporaryFolder temporary_;
    const AptCache::Folders folders_{temporary_.path() / "archives", temporary_.path() / "lists"};
    WorkerPool workers_{1};
};

TEST_F(AptCacheTest, GivesWhatAptHasByItsHash)
{
    const std::string large(600'000, 'x');
    const Digest digest = put_package(large);
    const Digest list = put(folders_.lists / "archive.example_dists_stable_main_Packages", "list");
    AptCache cache = this->cache();
    EXPECT_FALSE(cache.has(digest)) << "nobody has looked yet";
    EXPECT_THAT(cache.look().turned,
                UnorderedElementsAre(without_size(digest), without_size(list)));
    EXPECT_TRUE(cache.has(digest));
    EXPECT_EQ(read(cache, digest), large);
    EXPECT_EQ(read(cache, list), "list");
    EXPECT_EQ(cache.report().files, 2U);
    EXPECT_EQ(cache.report().bytes, 600'004U);
    EXPECT_THAT(cache.look().turned, IsEmpty());
}

TEST_F(AptCacheTest, NothingUnfinishedNoLinkAndNoReleaseIsOffered)
{
    put(folders_.archives / "partial/foo_1_all.deb", "half");
    put(folders_.archives / "pkgcache.bin", "other");
    put(folders_.archives / "empty_1_all.deb", "");
    put(temporary_.path() / "secret", "secret");
    std::filesystem::create_symlink(temporary_.path() / "secret",
                                    folders_.archives / "link_1_all.deb");
    put(folders_.lists / "archive.example_dists_stable_InRelease", "release");
    put(folders_.lists / "lock", "lock");
    AptCache cache = this->cache();
    EXPECT_THAT(cache.look().turned, IsEmpty());
    EXPECT_EQ(cache.report().files, 0U);
}

TEST_F(AptCacheTest, WhatAptReplacesIsNotGivenForWhatWasThere)
{
    const Digest before = put_package("one");
    AptCache cache = this->cache();
    cache.look();
    const Digest after = put_package("two");
    EXPECT_EQ(read(cache, before).error().code(), Errc::not_found);
    EXPECT_THAT(cache.look().turned,
                UnorderedElementsAre(without_size(before), without_size(after)));
    EXPECT_EQ(read(cache, after), "two");
    EXPECT_FALSE(cache.has(before));
}

TEST_F(AptCacheTest, WhatAptDeletesIsNotOfferedAnyMore)
{
    const Digest digest = put_package("one");
    AptCache cache = this->cache();
    cache.look();
    std::filesystem::remove(folders_.archives / "foo_1_all.deb");
    EXPECT_EQ(read(cache, digest).error().code(), Errc::not_found);
    EXPECT_THAT(cache.look().turned, UnorderedElementsAre(without_size(digest)));
    EXPECT_FALSE(cache.has(digest));
    std::filesystem::remove_all(folders_.archives);
    EXPECT_THAT(cache.look().turned, IsEmpty());
}

// What is remembered is not hashed again: here it is a lie, which a flight would find out.
TEST_F(AptCacheTest, RemembersHashesOverARestart)
{
    const Digest digest = put_package("one");
    {
        AptCache first = cache();
        first.look();
    }
    const auto text = read_file(temporary_.path() / "apt-files", 10'000);
    ASSERT_TRUE(text);
    const Digest other = crypto::digest_of("oth");
    std::string lie = *text;
    lie.replace(lie.find(digest.hex()), digest.hex().size(), other.hex());
    ASSERT_TRUE(write_file_durably(temporary_.path() / "apt-files", lie));
    AptCache second = cache();
    second.look();
    EXPECT_TRUE(second.has(other));
    EXPECT_FALSE(second.has(digest));
    ASSERT_TRUE(write_file_durably(temporary_.path() / "apt-files", "damaged"));
    AptCache third = cache();
    third.look();
    EXPECT_TRUE(third.has(digest)) << "all is read again";
}

TEST(AptFilesText, IsReadAsItWasWritten)
{
    std::vector<AptFiles> folders(2);
    folders[0]["foo_1%3a2_all.deb"] = {{7, 1'777'000'000'123'456'789, 3}, crypto::digest_of("foo")};
    folders[1]["archive.example_Packages"] = {{8, 5, 4}, crypto::digest_of("list")};
    const auto read = parse_apt_files(to_text(folders));
    ASSERT_TRUE(read);
    ASSERT_EQ(read->size(), 2U);
    const AptFile& file = read->at(0).at("foo_1%3a2_all.deb");
    EXPECT_EQ(file.stamp, folders[0]["foo_1%3a2_all.deb"].stamp);
    EXPECT_EQ(file.digest, crypto::digest_of("foo"));
    EXPECT_EQ(to_text(*read), to_text(folders));
}

TEST(AptFilesText, WhatWasNotWrittenSoIsRefused)
{
    const std::string hex = crypto::digest_of("foo").hex();
    for (const std::string& line :
         {std::string("x"), "2 1 1 3 " + hex + " foo.deb", "0 1 1 3 " + hex,
          "0 -1 1 3 " + hex + " foo.deb", std::string("0 1 1 3 12 foo.deb"),
          "0 1 1 3 " + hex + " foo bar.deb"})
        EXPECT_FALSE(parse_apt_files("aptward-apt-cache/1\n" + line + "\n")) << line;
    EXPECT_FALSE(parse_apt_files("aptward-apt-cache/2\n"));
    EXPECT_TRUE(parse_apt_files(""));
}

}  // namespace
}  // namespace aptward::archive
