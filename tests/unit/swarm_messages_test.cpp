// SPDX-License-Identifier: GPL-3.0-or-later
#include "swarm/messages.h"

#include <gmock/gmock.h>

#include "crypto/ed25519.h"
#include "swarm/channel.h"
#include "swarm/item.h"

namespace aptward::swarm {
namespace {

Key some_key()
{
    Key key{};
    key.fill(0xab);
    return key;
}

PublicKey some_owner()
{
    PublicKey owner{};
    owner.fill(0x01);
    return owner;
}

const std::string kKey = "abababababababababababababababababababab";
const std::string kOwner = "0101010101010101010101010101010101010101010101010101010101010101";

TEST(SwarmMessages, OrdersAreReadAsTheyAreWritten)
{
    const std::vector<Order> orders = {
        Start{Net::closed, 6881, {"router.example:6881", "[2001:db8::1]:1", "192.0.2.1:2"}},
        Start{},
        Announce{some_key(), 3142},
        Lookup{some_key()},
        Put{some_owner(), "salt", 7, {}, std::string("a\0b\n", 4)},
        Put{some_owner(), "", 0x7FFFFFFFFFFFFFFF, {}, std::string(1000, 'x')},
        Get{some_owner(), ""}};
    for (const Order& order : orders) {
        const auto read = parse_order(to_string(order));
        ASSERT_TRUE(read) << to_string(order);
        EXPECT_EQ(*read, order);
    }
    EXPECT_EQ(to_string(orders[2]), "announce " + kKey + " 3142");
}

TEST(SwarmMessages, WordsAreReadAsTheyAreWritten)
{
    const std::vector<Word> words = {Ready{1, "aptward-swarm/0.1.0"},
                                     Alive{3, "192.0.2.1"},
                                     Alive{},
                                     Trouble{"listening: Address already in use"},
                                     Peers{some_key(), {{"192.0.2.1", 3142}, {"2001:db8::1", 80}}},
                                     Peers{some_key(), {}},
                                     Item{some_owner(), "s", 9, {}, "value"},
                                     NoItem{some_owner(), "s"},
                                     Stored{some_owner(), "", 9, 8}};
    for (const Word& word : words) {
        const auto read = parse_word(to_string(word));
        ASSERT_TRUE(read) << to_string(word);
        EXPECT_EQ(*read, word);
    }
}

TEST(SwarmMessages, HaveOneSpellingAndLimits)
{
    const std::string nothing;
    for (const std::string& text :
         {nothing,
          std::string("dance"),
          "announce " + kKey,
          "announce " + kKey + " 0",
          "announce " + kKey + " 65536",
          "announce " + kKey + " 03142",
          "announce  " + kKey + " 1",
          "announce " + kKey + " 1 ",
          "announce " + kKey + " 1 2",
          "lookup " + kKey.substr(2),
          "lookup AB" + kKey.substr(2),
          "lookup " + kKey + "ab",
          std::string("start internet"),
          std::string("start 1 1"),
          std::string("start internet 1 nohost"),
          std::string("start internet 1 a:0"),
          std::string("start internet 1 a,b:1"),
          "get " + kOwner,
          "get " + kOwner + " abc",
          "get " + kOwner + " " + std::string(130, 'a'),
          "put " + kOwner + " - 9223372036854775808 " + std::string(128, '0') + " -",
          "put " + kOwner + " - 1 " + std::string(128, '0') + " " + std::string(2002, '0')})
        EXPECT_FALSE(parse_order(text)) << text;
    for (const std::string& text :
         {nothing, "announce " + kKey + " 3142", "peers " + kKey + " 192.0.2.1:0",
          "peers " + kKey + " 192.0.2.01:1", "peers " + kKey + " name.example:1",
          "peers " + kKey + " 2001:db8::1:1", "peers " + kKey + " [192.0.2.1]:1",
          "peers " + kKey + " [2001:DB8::1]:1", std::string("alive 1"), std::string("alive -1 -"),
          std::string("alive 1 here"), "trouble " + std::string(802, 'a')})
        EXPECT_FALSE(parse_word(text)) << text;
    std::string many = "peers " + kKey;
    for (std::size_t i = 0; i < kMostPeersTold; ++i)
        many += " 192.0.2.1:1";
    EXPECT_TRUE(parse_word(many));
    EXPECT_FALSE(parse_word(many + " 192.0.2.1:1"));
    std::string start = "start internet 1";
    for (std::size_t i = 0; i < kMostBootstrap; ++i)
        start += " a:1";
    EXPECT_TRUE(parse_order(start));
    EXPECT_FALSE(parse_order(start + " a:1"));
}

TEST(SwarmFrames, ComeWholeHoweverTheirBytesCome)
{
    const std::string bytes = Frames::frame("one") + Frames::frame(std::string(70, 'x'));
    Frames frames;
    std::vector<std::string> got;
    for (const char byte : bytes) {
        frames.add({&byte, 1});
        auto next = frames.next();
        ASSERT_TRUE(next);
        if (*next)
            got.push_back(**next);
    }
    EXPECT_THAT(got, testing::ElementsAre("one", std::string(70, 'x')));
}

TEST(SwarmFrames, AreRefusedWhenTheyAreEmptyOrLong)
{
    for (const std::string& bytes :
         {std::string(4, '\0'), std::string("\xff\xff\xff\xff", 4), std::string("\0\1\0\1", 4)}) {
        Frames frames;
        frames.add(bytes);
        EXPECT_FALSE(frames.next());
    }
    Frames frames;
    frames.add(Frames::frame(std::string(kMostMessageBytes, 'x')));
    const auto next = frames.next();
    ASSERT_TRUE(next && *next);
    EXPECT_EQ((*next)->size(), kMostMessageBytes);
}

// BEP 44, "Test vectors", 1 and 2: the keys there are expanded ones, so that only what is signed
// and the public half can be tried with them.
TEST(SwarmItems, AreSignedAsTheSpecificationSays)
{
    const auto bytes = [](std::string_view hex) {
        std::string read;
        for (std::size_t i = 0; i < hex.size(); i += 2)
            read.push_back(
                static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
        return read;
    };
    Item item;
    const std::string owner =
        bytes("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548");
    std::copy(owner.begin(), owner.end(), item.owner.begin());
    item.number = 1;
    item.value = "Hello World!";
    const auto sign = [&](std::string_view hex) {
        const std::string signature = bytes(hex);
        std::copy(signature.begin(), signature.end(), item.signature.begin());
    };
    sign(
        "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
        "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01");
    EXPECT_TRUE(is_genuine(item));
    item.salt = "foobar";
    EXPECT_FALSE(is_genuine(item));
    sign(
        "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d"
        "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08");
    EXPECT_TRUE(is_genuine(item));
    item.number = 2;
    EXPECT_FALSE(is_genuine(item));
}

TEST(SwarmItems, AreGenuineOnlyAsTheirOwnerSignedThem)
{
    const auto seed = crypto::make_ed25519_seed();
    const auto signer = [&](std::string_view bytes) { return crypto::sign_ed25519(seed, bytes); };
    const auto owner = crypto::ed25519_public(seed);
    const Put put = sign(owner, "salt", 4, "value", signer);
    const Item item{put.owner, put.salt, put.number, put.signature, put.value};
    EXPECT_TRUE(is_genuine(item));
    for (int what = 0; what < 4; ++what) {
        Item other = item;
        (what == 0 ? other.owner[0] : what == 1 ? other.signature[0] : other.owner[31]) ^= 1;
        if (what == 3)
            other.value = "Value";
        EXPECT_FALSE(is_genuine(other)) << what;
    }
    const Put long_one = sign(owner, "", 4, std::string(kMostItemBytes, 'x'), signer);
    EXPECT_FALSE(
        is_genuine({long_one.owner, "", long_one.number, long_one.signature, long_one.value}));
}

}  // namespace
}  // namespace aptward::swarm
