// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/pointer.h"

#include <gmock/gmock.h>

#include "swarm/item.h"

namespace aptward::peer {
namespace {

Head head(char digit, std::string suite = "bookworm")
{
    Head head;
    head.id = std::string(64, digit);
    head.date = from_unix(1'777'000'000);
    head.suite = std::move(suite);
    head.archive = "-";
    return head;
}

TEST(PeerPointer, IsReadAsItIsWritten)
{
    const Pointer pointer{{{"192.0.2.1", 3142}, {"2001:db8::1", 80}},
                          {head('a'), head('b', "dir/")}};
    const auto read = parse_pointer(to_text(pointer));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, pointer);
    EXPECT_TRUE(parse_pointer(to_text(Pointer())));
    const auto later = parse_pointer("aptward-pointer/v1\nfolder x\nat 192.0.2.1:1\n");
    ASSERT_TRUE(later) << "a later version may say more";
    EXPECT_EQ(later->places.size(), 1U);
}

TEST(PeerPointer, FitsAnItem)
{
    Pointer pointer{{{"2001:db8:1111:2222:3333:4444:5555:6666", 65535}}, {}};
    pointer.places.resize(8, pointer.places.front());
    for (int i = 0; i < 200; ++i)
        pointer.heads.push_back(head("0123456789abcdef"[i % 16], std::string(50, 's')));
    const std::string text = to_text(pointer);
    EXPECT_LE(swarm::bencoded(text).size(), swarm::kMostItemBytes);
    const auto read = parse_pointer(text);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->places.size(), kMostPlaces);
    EXPECT_GE(read->heads.size(), 5U);
    EXPECT_EQ(read->heads.front(), pointer.heads.front()) << "the newest ones stay";
}

TEST(PeerPointer, IsRefusedInAnotherForm)
{
    const std::string first = "aptward-pointer/v1\n", id(64, 'a');
    for (const std::string& text :
         {std::string(), std::string("aptward-pointer/v1"), std::string("aptward-pointer/v2\n"),
          std::string("aptward-pointer/v12\n"), first + "at 192.0.2.1\n", first + "at host:80\n",
          first + "at 192.0.2.1:80", first + "head " + id + " 1\n",
          first + "head " + std::string(64, 'A') + " 1 s\n", first + "head " + id + " -1 s\n",
          first + "head " + id + " 99999999999999 s\n", first + "head " + id + " 1 s\x80\n",
          first + std::string(996, 'x') + "\n",
          first + "at 192.0.2.1:1\nat 192.0.2.1:2\nat 192.0.2.1:3\nat 192.0.2.1:4\n"})
        EXPECT_FALSE(parse_pointer(text)) << text;
}

TEST(PeerPointer, AReleaseHasOnePlaceForAll)
{
    // printf 'aptward/v1/release/%s' aaaa... | sha256sum | cut -c1-40
    EXPECT_EQ(swarm::to_string(swarm::Order(swarm::Lookup{meeting_key(std::string(64, 'a'))})),
              "lookup 8b0608c5f7b72713c1fe0ff99a77fb35f6f6d908");
    EXPECT_NE(meeting_key(std::string(64, 'a')), meeting_key(std::string(64, 'b')));
}

}  // namespace
}  // namespace aptward::peer
