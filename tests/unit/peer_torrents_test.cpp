// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/torrents.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>

#include "base/file.h"
#include "code_of.h"
#include "crypto/crypto.h"
#include "peer/messages.h"
#include "peer/publish.h"
#include "temporary_folder.h"

namespace aptward::peer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Torrent torrent_of(std::vector<std::string> contents)
{
    std::sort(contents.begin(), contents.end(), [](const auto& a, const auto& b) {
        return crypto::digest_of(a).hash < crypto::digest_of(b).hash;
    });
    Torrent torrent;
    for (const std::string& one : contents) {
        swarm::PieceHasher hasher(swarm::piece_bytes_for(one.size()));
        hasher.update(one);
        torrent.metainfo.files.push_back(std::move(hasher).finish(crypto::digest_of(one)));
        torrent.paths.push_back("pool/a b/" + one + "_1.deb");
    }
    torrent.archive = "test";
    torrent.what = "suite stable";
    torrent.published = from_unix(1'777'000'000);
    return torrent;
}

TEST(PeerTorrents, AreStoredAsTheyAreRead)
{
    const Torrent torrent = torrent_of({"one", "two", "three"});
    const auto read = parse_stored_torrent(to_text(torrent));
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(*read, torrent);
    const std::string text = to_text(torrent);
    for (std::size_t size = 0; size < text.size(); ++size)
        EXPECT_FALSE(parse_stored_torrent(std::string_view(text).substr(0, size))) << size;
    Torrent astray = torrent;
    astray.paths[1] = "pool/../../etc/passwd";
    EXPECT_FALSE(parse_stored_torrent(to_text(astray)));
    astray.paths.pop_back();
    astray.paths.pop_back();
    EXPECT_FALSE(parse_stored_torrent(to_text(astray)));
}

TEST(PeerTorrents, LastOverARestartUntilTheyAreStopped)
{
    const TemporaryFolder folder;
    Torrents torrents(folder.path() / "torrents");
    EXPECT_THAT(torrents.load(), ElementsAre());
    const auto one = torrents.publish(torrent_of({"one"}));
    const auto two = torrents.publish(torrent_of({"one", "two"}));
    ASSERT_TRUE(one && two);
    EXPECT_NE(*one, *two);
    EXPECT_EQ(torrents.publish(torrent_of({"one"})).value(), *one);

    Torrents again(folder.path() / "torrents");
    EXPECT_THAT(again.load(), ElementsAre());
    EXPECT_EQ(again.all()->size(), 2U);
    EXPECT_EQ(*again.find(*two), torrent_of({"one", "two"}));
    ASSERT_TRUE(again.stop(*two));
    EXPECT_EQ(again.find(*two), nullptr);
    EXPECT_EQ(code_of(again.stop(*two)), Errc::not_found);

    Torrents third(folder.path() / "torrents");
    EXPECT_THAT(third.load(), ElementsAre());
    EXPECT_EQ(third.all()->size(), 1U);
}

TEST(PeerTorrents, ASpoiltFileIsToldAndTheRestGoesOn)
{
    const TemporaryFolder folder;
    Torrents torrents(folder.path());
    const auto one = torrents.publish(torrent_of({"one"}));
    ASSERT_TRUE(one && torrents.publish(torrent_of({"two"})));
    std::ofstream(folder.path() / (*one + ".torrent"), std::ios::app) << "e";
    Torrents again(folder.path());
    EXPECT_THAT(again.load(), ElementsAre(*one + ".torrent"));
    EXPECT_EQ(again.all()->size(), 1U);
}

TEST(PeerTorrents, GiveTheirFilesUnderTheNamesOfTheIndex)
{
    const TemporaryFolder folder;
    Torrents torrents(folder.path());
    const std::string one = torrents.publish(torrent_of({"one"})).value();
    const std::string two = torrents.publish(torrent_of({"one", "two"})).value();
    const Digest digest = crypto::digest_of("one");
    const auto file = torrents.find(AskedShare{one, digest.hex()});
    ASSERT_TRUE(file);
    EXPECT_EQ(file->digest, digest);
    EXPECT_EQ(file->path, "pool/a b/one_1.deb");
    EXPECT_TRUE(torrents.find(AskedShare{two, "aptward/" + digest.hex()}));
    EXPECT_FALSE(torrents.find(AskedShare{two, digest.hex()}));
    EXPECT_FALSE(torrents.find(AskedShare{one, "aptward/" + digest.hex()}));
    EXPECT_FALSE(torrents.find(AskedShare{one, crypto::digest_of("two").hex()}));
    EXPECT_FALSE(torrents.find(AskedShare{std::string(64, '0'), digest.hex()}));
}

TEST(PeerTorrents, AreNoMoreThanANoteTells)
{
    EXPECT_EQ(kMostTorrents, kMostToldTorrents);
    const TemporaryFolder folder;
    Torrents torrents(folder.path());
    for (std::size_t i = 0; i < kMostTorrents; ++i)
        ASSERT_TRUE(torrents.publish(torrent_of({std::to_string(i)})));
    const auto more = torrents.publish(torrent_of({"more"}));
    EXPECT_EQ(code_of(more), Errc::stale);
    EXPECT_THAT(more.error().message(), HasSubstr("stop one first"));
}

TEST(PeerTorrents, ARequestNamesAFileOrASuite)
{
    for (const PublishRequest& request : {PublishRequest{"test", "pool/f/foo_1.deb", ""},
                                          PublishRequest{"test", "", "stable/updates"}})
        EXPECT_EQ(parse_publish_request(to_json(request)).value(), request);
    for (const char* text :
         {"", "[]", R"({"archive": "a"})", R"({"archive": "a", "path": "x", "suite": "y"})",
          R"({"path": "x"})", R"({"archive": "a", "path": "../x"})",
          R"({"archive": "a", "path": "/x"})", R"({"archive": "a", "path": "x\ny"})",
          R"({"archive": "a\n", "path": "x"})", R"({"archive": "a", "suite": "x\ny"})",
          R"({"archive": 7, "path": "x"})"})
        EXPECT_EQ(code_of(parse_publish_request(text)), Errc::malformed) << text;
}

}  // namespace
}  // namespace aptward::peer
