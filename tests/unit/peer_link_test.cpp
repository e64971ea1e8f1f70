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
    for (const State state : {State::untried, State::linked})
        EXPECT_TRUE(is_asked(state));
    for (const State state : {State::unreachable, State::no_node, State::incompatible,
                              State::mismatch, State::self, State::cloned, State::duplicate})
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

}  // namespace
}  // namespace aptward::peer
