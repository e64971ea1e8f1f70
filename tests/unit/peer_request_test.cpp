// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/request.h"

#include <gtest/gtest.h>

#include "code_of.h"
#include "http/message.h"

namespace aptward::peer {
namespace {

const std::string kHex(64, 'a');
const std::string kHex512(128, 'b');

Result<Asked> parse(const std::string& target)
{
    const auto parsed = http::parse_target("GET", target);
    return parse_request(parsed->path, parsed->query);
}

TEST(PeerRequest, IsReadAsItIsWritten)
{
    for (const auto kind : {AskedFile::Kind::index, AskedFile::Kind::pool})
        for (const std::string& hex : {kHex, kHex512})
            for (const char* path :
                 {"Packages", "pool/main/f/foo_1.0+b1~deb12u1_all.deb", "a b/c"}) {
                const AskedFile file{kind, *parse_digest(hex, 12), path};
                const auto asked = parse("/" + path_of(file));
                ASSERT_TRUE(asked) << path_of(file);
                const auto& read = std::get<AskedFile>(*asked);
                EXPECT_EQ(read.kind, kind);
                EXPECT_EQ(read.digest, file.digest);
                EXPECT_EQ(read.path, path);
            }
    for (const char* name : {"InRelease", "Release", "Release.gpg"}) {
        const auto asked = parse("/" + path_of(AskedRelease{kHex, name}));
        ASSERT_TRUE(asked) << name;
        EXPECT_EQ(std::get<AskedRelease>(*asked).id, kHex);
        EXPECT_EQ(std::get<AskedRelease>(*asked).name, name);
    }
    const auto heads = parse("/" + path_of(AskedHeads{kLongestWait}));
    ASSERT_TRUE(heads);
    EXPECT_EQ(std::get<AskedHeads>(*heads).wait, kLongestWait);
    const auto torrent = parse("/" + path_of(AskedTorrent{kHex}));
    ASSERT_TRUE(torrent);
    EXPECT_EQ(std::get<AskedTorrent>(*torrent).info_hash, kHex);
    for (const std::string& path : {kHex, "aptward/" + kHex}) {
        const auto share = parse("/" + path_of(AskedShare{kHex, path}));
        ASSERT_TRUE(share) << path;
        EXPECT_EQ(std::get<AskedShare>(*share).info_hash, kHex);
        EXPECT_EQ(std::get<AskedShare>(*share).path, path);
    }
    const std::string nonce(32, '7');
    const auto node = parse("/" + path_of(AskedNode{nonce}));
    ASSERT_TRUE(node);
    EXPECT_EQ(std::get<AskedNode>(*node).nonce, nonce);
}

TEST(PeerRequest, HasOneNameForEachThing)
{
    const std::string base = "/.well-known/aptward/v1/";
    for (const std::string& path : {"pool/sha256/" + std::string(64, 'A') + "/1/x",
                                    "pool/SHA256/" + kHex + "/1/x",
                                    "pool/sha512/" + kHex + "/1/x",
                                    "pool/sha256/" + kHex512 + "/1/x",
                                    "pool/sha256/" + kHex + "/01/x",
                                    "pool/sha256/" + kHex + "/-1/x",
                                    "pool/sha256/" + kHex + "/99999999999999999999/x",
                                    "pool/sha256/" + kHex + "/1/",
                                    "pool/sha256/" + kHex + "/1",
                                    "pool/sha256/" + kHex,
                                    "blob/sha256/" + kHex + "/1/x",
                                    std::string("node"),
                                    std::string("node?nonce=1"),
                                    "node?nonce=" + std::string(32, 'G'),
                                    "node?nonce=" + std::string(33, '1'),
                                    std::string("heads"),
                                    std::string("heads?wait=26"),
                                    std::string("heads?wait=01"),
                                    std::string("heads?wait=1&x"),
                                    "pool/sha256/" + kHex + "/1/x?y",
                                    "release/" + kHex + "/InRelease?y",
                                    "release/" + kHex + "/Packages",
                                    "release/" + kHex,
                                    "release/" + std::string(64, 'A') + "/InRelease",
                                    "swarm/" + kHex,
                                    "swarm/" + kHex + ".torrent/",
                                    "swarm/" + kHex + ".torrent/x",
                                    "swarm/" + std::string(64, 'A') + ".torrent",
                                    "swarm/" + kHex + "/",
                                    "swarm/" + kHex + "/other/" + kHex,
                                    "swarm/" + kHex + "/aptward/" + kHex + "/x",
                                    "swarm/" + kHex + "/aptward/aptward/" + kHex,
                                    "swarm/" + kHex + "/aptward/",
                                    "swarm/" + kHex + "/" + kHex + "?x",
                                    "swarm//" + kHex,
                                    std::string("")})
        EXPECT_EQ(code_of(parse(base + path)), Errc::malformed) << path;
    EXPECT_EQ(
        code_of(parse_request("/.well-known/aptward/v1/pool/sha256/" + kHex + "/1/a/../b", "")),
        Errc::malformed);
}

TEST(PeerRequest, OfAnotherVersionIsToldFromAMistake)
{
    EXPECT_EQ(code_of(parse("/.well-known/aptward/v2/node")), Errc::stale);
    EXPECT_EQ(code_of(parse("/.well-known/other")), Errc::malformed);
}

}  // namespace
}  // namespace aptward::peer
