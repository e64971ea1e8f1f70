// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/link.h"

#include <gtest/gtest.h>

#include "code_of.h"

namespace aptward::peer {
namespace {

tlog::SignerKey signer(std::uint8_t first)
{
    crypto::Ed25519Key seed{};
    seed[0] = first;
    return tlog::SignerKey("node.example", seed);
}

NodeText node(const tlog::SignerKey& key = signer(1))
{
    return {key.verifier(),
            "0123456789abcdef",
            "aptward/9.9",
            {1, 2},
            std::chrono::milliseconds(1'777'000'000'123),
            std::string(32, 'c')};
}

std::string note_of(const std::string& text, const tlog::SignerKey& key = signer(1))
{
    return tlog::to_string(key.sign(text));
}

TEST(PeerNode, IsReadAsItIsWritten)
{
    const auto read = read_node(note_of(to_text(node())), node().nonce);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(to_text(*read), to_text(node()));
}

TEST(PeerNode, OfALaterVersionMaySayMore)
{
    const auto read = read_node(note_of(to_text(node()) + "features have-sets\n"), node().nonce);
    EXPECT_TRUE(read);
}

TEST(PeerNode, CountsOnlyWithItsOwnSignatureAndForItsAsker)
{
    const std::string text = to_text(node());
    EXPECT_EQ(code_of(read_node(note_of(text, signer(2)), node().nonce)), Errc::untrusted);
    EXPECT_EQ(code_of(read_node(note_of(text), std::string(32, 'd'))), Errc::untrusted);
    std::string changed = note_of(text);
    changed[changed.find("9.9")] = '8';
    EXPECT_EQ(code_of(read_node(changed, node().nonce)), Errc::untrusted);
}

TEST(PeerNode, IsNothingElse)
{
    const std::string text = to_text(node());
    const auto without = [&text](const std::string& key) {
        std::string less = text;
        const std::size_t at = less.find("\n" + key + " ") + 1;
        return less.erase(at, less.find('\n', at) + 1 - at);
    };
    for (const char* key : {"node", "run", "protocols", "time", "nonce"}) {
        const auto read = read_node(note_of(without(key)), node().nonce);
        EXPECT_EQ(read.has_value(), std::string(key) == "protocols") << key;
    }
    for (const std::string& other :
         {std::string("other/v1\n"), text + "run twice\n", text + "word\n",
          text + std::string(kMaxNodeBytes, 'x') + " y\n"})
        EXPECT_EQ(code_of(read_node(note_of(other), node().nonce)), Errc::malformed);
    EXPECT_FALSE(read_node("<html>", node().nonce));
}

Heads heads()
{
    const std::string id(64, 'a');
    return {signer(1).verifier(),
            "0123456789abcdef",
            7,
            {{id, from_unix(1'777'000'000), true, false, "bookworm", "debian"},
             {id, from_unix(1'777'000'001), false, true, "sub/dir/", "own"},
             {id, from_unix(0), true, true, "/", "flat"}}};
}

TEST(PeerHeads, AreReadAsTheyAreWritten)
{
    const auto read = read_heads(note_of(to_text(heads())), signer(1).verifier());
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->number, 7U);
    EXPECT_EQ(read->heads, heads().heads);
}

TEST(PeerHeads, TellOfTorrents)
{
    Heads all = heads();
    all.torrents = {std::string(64, 'b'), std::string(64, 'c')};
    EXPECT_EQ(read_heads(note_of(to_text(all)), signer(1).verifier())->torrents, all.torrents);
    all.torrents.resize(kMostToldTorrents, all.torrents.front());
    all.heads.resize(kMostHeads, {std::string(64, 'a'), from_unix(1'777'000'000), true, true,
                                  std::string(120, 's'), std::string(32, 'i')});
    const std::string note = note_of(to_text(all));
    EXPECT_TRUE(read_heads(note, signer(1).verifier())) << note.size();
    all.torrents.push_back(all.torrents.front());
    EXPECT_EQ(code_of(read_heads(note_of(to_text(all)), signer(1).verifier())), Errc::malformed);
}

TEST(PeerHeads, OfALaterVersionMaySayMore)
{
    std::string text =
        to_text(heads()) + "have 17\ntorrent " + std::string(64, 'b') + " of something\n";
    text.insert(text.find(" debian") + 7, " Debian");
    EXPECT_TRUE(read_heads(note_of(text), signer(1).verifier()));
}

TEST(PeerHeads, CountOnlyWithTheKeyThatWasLinked)
{
    const std::string note = note_of(to_text(heads()));
    EXPECT_EQ(code_of(read_heads(note, signer(2).verifier())), Errc::untrusted);
    EXPECT_EQ(code_of(read_heads(note_of(to_text(heads()), signer(2)), signer(1).verifier())),
              Errc::untrusted);
}

TEST(PeerHeads, AreBounded)
{
    Heads many = heads();
    many.heads.resize(kMostHeads, many.heads.front());
    EXPECT_TRUE(read_heads(note_of(to_text(many)), signer(1).verifier()));
    many.heads.push_back(many.heads.front());
    EXPECT_EQ(code_of(read_heads(note_of(to_text(many)), signer(1).verifier())), Errc::malformed);
}

TEST(PeerHeads, AreNothingElse)
{
    const std::string id(64, 'a');
    for (const std::string& line :
         {std::string("head"), "head " + id, "head " + id + " 1 x s a", "head " + id + " -1 i s a",
          "head " + id + " 1 i s", "head " + std::string(64, 'A') + " 1 i s a",
          "head " + std::string(63, 'a') + " 1 i s a", "head " + id + " 99999999999999 i s a",
          std::string("torrent x"), "torrent " + std::string(64, 'B'), std::string("number 8"),
          std::string("run x")})
        EXPECT_EQ(
            code_of(read_heads(note_of(to_text(heads()) + line + "\n"), signer(1).verifier())),
            Errc::malformed)
            << line;
    EXPECT_EQ(code_of(read_heads(note_of(to_text(node())), signer(1).verifier())), Errc::malformed);
}

TEST(PeerHeads, HaveNamesThatStandInALine)
{
    Head head = heads().heads.front();
    EXPECT_TRUE(can_be_told(head));
    for (const char* name : {"", "a b", "a\nb", "\xc3\xa4"}) {
        head.suite = name;
        EXPECT_FALSE(can_be_told(head)) << name;
    }
}

TEST(PeerLink, TellsWhoAnswers)
{
    const Self self{signer(1).verifier(), node().run};
    const Self copied{signer(1).verifier(), "fedcba9876543210"};
    const Self other{signer(2).verifier(), node().run};
    EXPECT_EQ(judge(node(), self, {}).state, State::self);
    EXPECT_EQ(judge(node(), copied, {}).state, State::cloned);
    EXPECT_EQ(judge(node(), other, {}).state, State::linked);
    EXPECT_EQ(judge(node(), other, signer(1).verifier()).state, State::linked);
    EXPECT_EQ(judge(node(), other, signer(3).verifier()).state, State::mismatch);
    NodeText future = node();
    future.protocols = {2, 3};
    EXPECT_EQ(judge(future, other, {}).state, State::incompatible);
    future.protocols = {};
    EXPECT_EQ(judge(future, other, {}).state, State::incompatible);
}

TEST(PeerLink, IsAskedOnlyWhereItMayHelp)
{
    for (const State state : {State::untried, State::linked, State::duplicate})
        EXPECT_TRUE(is_asked(state));
    for (const State state : {State::unreachable, State::no_node, State::incompatible,
                              State::mismatch, State::self, State::cloned})
        EXPECT_FALSE(is_asked(state));
}

TEST(PeerLink, IsLookedAtSoonAfterItsFirstFailuresAndSeldomAfterMistakes)
{
    Link link;
    link.state = State::unreachable;
    link.failures = 1;
    EXPECT_EQ(pause_after(link), std::chrono::seconds(2));
    link.failures = 1000;
    EXPECT_EQ(pause_after(link), std::chrono::seconds(30));
    link.state = State::linked;
    EXPECT_EQ(pause_after(link), std::chrono::seconds(30));
    link.state = State::mismatch;
    EXPECT_EQ(pause_after(link), std::chrono::minutes(5));
}

TEST(PeerClock, A24_OursIsWrongWhereTheOthersAgree)
{
    const auto error = [](const std::vector<int>& seconds) {
        std::vector<std::chrono::milliseconds> ahead;
        for (const int one : seconds)
            ahead.push_back(std::chrono::seconds(one));
        return own_clock_error(std::move(ahead)).count() / 1000;
    };
    EXPECT_EQ(error({}), 0);
    EXPECT_EQ(error({3600}), 0) << "one alone may be the wrong one";
    EXPECT_EQ(error({3600, 3601}), 3601);
    EXPECT_EQ(error({-3600, -3600, 0}), -3600);
    EXPECT_EQ(error({3600, -3600}), 0) << "they do not agree";
    EXPECT_EQ(error({9, 9, 9}), 0) << "within what clocks differ by";
    EXPECT_EQ(error({0, 0, 3600}), 0);
    EXPECT_EQ(error({0, 1, 3600, 3600}), 0) << "half is not more than half";
}

}  // namespace
}  // namespace aptward::peer
