// SPDX-License-Identifier: GPL-3.0-or-later
#include "swarm/metainfo.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "crypto/crypto.h"

namespace aptward::swarm {
namespace {

using testing::HasSubstr;

// Bytes that are not all alike, the same each time.
std::string some_bytes(std::size_t count, unsigned seed)
{
    std::string bytes(count, '\0');
    std::uint32_t state = seed * 2654435761U + 1;
    for (char& byte : bytes) {
        state = state * 1664525U + 1013904223U;
        byte = static_cast<char>(state >> 24);
    }
    return bytes;
}

Metainfo metainfo_of(std::vector<std::string> contents)
{
    std::sort(contents.begin(), contents.end(), [](const auto& a, const auto& b) {
        return crypto::digest_of(a).hash < crypto::digest_of(b).hash;
    });
    std::uint64_t total = 0;
    for (const std::string& one : contents)
        total += one.size();
    Metainfo metainfo;
    for (const std::string& one : contents) {
        PieceHasher hasher(piece_bytes_for(total));
        // In parts that are no blocks.
        for (std::size_t at = 0; at < one.size(); at += 10'007)
            hasher.update(std::string_view(one).substr(at, 10'007));
        metainfo.files.push_back(std::move(hasher).finish(crypto::digest_of(one)));
    }
    return metainfo;
}

// All versions have to come to the same; libtorrent does (torrent_metainfo_test.cpp).
TEST(SwarmMetainfo, HasOneHashForTheSameFiles)
{
    const Metainfo one = metainfo_of({some_bytes(300'000, 1)});
    EXPECT_EQ(info_hash_of(one),
              "4feaa0129b99c5a3b0bca35d2ebd323069310f562d13ac699f15d37a5b30fdd0");
    const Metainfo many =
        metainfo_of({some_bytes(1, 2), some_bytes(16'384, 3), some_bytes(65'536, 4),
                     some_bytes(65'537, 5), some_bytes(20'000, 6), some_bytes(400'000, 7)});
    EXPECT_EQ(info_hash_of(many),
              "dc4063797f25e84d231e7c5457604fbed415f7e10811fe05020de3bf8407d0e1");
}

TEST(SwarmMetainfo, IsReadAsItWasWritten)
{
    for (const std::size_t size : {1UL, 16'384UL, 16'385UL, 65'536UL, 65'537UL, 1'000'000UL}) {
        const Metainfo one = metainfo_of({some_bytes(size, 1)});
        const auto again = parse_torrent(to_torrent(one));
        ASSERT_TRUE(again) << size << ": " << again.error().message();
        EXPECT_EQ(*again, one);
        EXPECT_EQ(one.path_of(one.files.front()), one.files.front().digest.hex());
    }
    const Metainfo many =
        metainfo_of({some_bytes(100, 1), some_bytes(200'000, 2), some_bytes(300'000, 3)});
    EXPECT_EQ(parse_torrent(to_torrent(many)).value(), many);
    EXPECT_EQ(many.path_of(many.files.front()), "aptward/" + many.files.front().digest.hex());
    EXPECT_EQ(many.total_bytes(), 500'100U);
}

TEST(SwarmMetainfo, AnEndOrABitLessIsNone)
{
    const std::string text = to_torrent(metainfo_of({some_bytes(100, 1), some_bytes(70'000, 2)}));
    for (std::size_t size = 0; size < text.size(); ++size)
        EXPECT_FALSE(parse_torrent(std::string_view(text).substr(0, size))) << size;
    EXPECT_FALSE(parse_torrent(text + "e"));
    for (std::size_t place = 0; place < text.size(); ++place) {
        std::string other = text;
        other[place] = static_cast<char>(other[place] ^ 1);
        const auto read = parse_torrent(other);
        // Names, sizes and the roots of small files may be others': they are then another torrent.
        EXPECT_TRUE(!read || to_torrent(*read) == other) << place;
    }
}

// A file name that leads elsewhere cannot be written in this form.
TEST(SwarmMetainfo, LAW6_RefusesNamesThatAreNoDigests)
{
    const std::string text = to_torrent(metainfo_of({some_bytes(100, 1)}));
    const std::string name = crypto::digest_of(some_bytes(100, 1)).hex();
    for (const std::string& other :
         {"../" + name.substr(3), "/etc/" + name.substr(5), name.substr(0, 61) + "/..",
          std::string(64, 'G'), std::string("A") + name.substr(1)}) {
        std::string changed = text;
        for (std::size_t at = changed.find(name); at != std::string::npos;
             at = changed.find(name, at + 1))
            changed.replace(at, name.size(), other);
        EXPECT_FALSE(parse_torrent(changed)) << other;
    }
}

TEST(SwarmMetainfo, LAW6_RefusesPiecesThatAreNotThoseOfTheRoot)
{
    Metainfo one = metainfo_of({some_bytes(300'000, 1)});
    one.files.front().pieces[1][0] ^= 1;
    const auto read = parse_torrent(to_torrent(one));
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code(), Errc::malformed);
}

TEST(SwarmMetainfo, OrderAndNumberAreBounded)
{
    Metainfo two = metainfo_of({some_bytes(100, 1), some_bytes(200, 2)});
    std::swap(two.files[0], two.files[1]);
    EXPECT_FALSE(parse_torrent(to_torrent(two)));
    two.files[0] = two.files[1];
    EXPECT_FALSE(parse_torrent(to_torrent(two)));
    Metainfo many;
    for (std::size_t i = 0; i <= kMostTorrentFiles; ++i) {
        SharedFile file;
        file.digest.hash[0] = static_cast<std::uint8_t>(i / 256);
        file.digest.hash[1] = static_cast<std::uint8_t>(i % 256);
        file.digest.size_bytes = 1;
        many.files.push_back(file);
    }
    const auto read = parse_torrent(to_torrent(many));
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().message(), HasSubstr("more files"));
    many.files.pop_back();
    EXPECT_TRUE(parse_torrent(to_torrent(many)));
    many.files.front().digest.size_bytes = kMostSharedBytes;
    EXPECT_FALSE(parse_torrent(to_torrent(many)));
    many.files.front().digest.size_bytes = 0;
    EXPECT_FALSE(parse_torrent(to_torrent(many)));
}

TEST(SwarmMetainfo, PiecesGrowWithTheBytes)
{
    EXPECT_EQ(piece_bytes_for(1), 65'536U);
    EXPECT_EQ(piece_bytes_for(std::uint64_t{1} << 30), 1U << 20);
    EXPECT_EQ(piece_bytes_for(kMostSharedBytes), 8U << 20);
}

TEST(SwarmMetainfo, AMagnetLinkHasItsHash)
{
    const std::string hash(64, 'a');
    EXPECT_EQ(parse_magnet(magnet_of(hash)).value(), hash);
    EXPECT_EQ(parse_magnet(hash).value(), hash);
    EXPECT_EQ(parse_magnet("magnet:?dn=x&xt=urn:btmh:1220" + hash + "&tr=http://t").value(), hash);
    for (const std::string& other :
         {std::string(), std::string("magnet:?"), "magnet:?xt=urn:btih:" + hash.substr(24),
          "magnet:?xt=urn:btmh:1220" + hash.substr(1), "x" + hash, std::string(64, 'A'),
          "http://a/?xt=urn:btmh:1220" + hash})
        EXPECT_FALSE(parse_magnet(other)) << other;
}

}  // namespace
}  // namespace aptward::swarm
