// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/dht.h"

#include <gmock/gmock.h>

#include <set>

#include "swarm/item.h"

namespace aptward::peer {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::IsEmpty;
using testing::SizeIs;

const SteadyTime kStart = SteadyTime(hours(1000));
const SystemTime kWall = from_unix(1'777'000'000);

Head head(int number)
{
    Head head;
    head.id = std::string(64, '0');
    for (std::size_t i = 0; i < 4; ++i)
        head.id[i] = "0123456789abcdef"[number >> (4 * i) & 15];
    head.date = kWall;
    head.suite = "bookworm";
    head.archive = "-";
    return head;
}

tlog::SignerKey signer(std::uint8_t number)
{
    return {"node.example", crypto::Ed25519Key{number}};
}

template <class Order>
std::vector<Order> only(const std::vector<swarm::Order>& orders)
{
    std::vector<Order> some;
    for (const swarm::Order& order : orders)
        if (const auto* one = std::get_if<Order>(&order))
            some.push_back(*one);
    return some;
}

swarm::Item item_of(const tlog::SignerKey& key, std::uint64_t number, const Pointer& pointer)
{
    const auto put =
        swarm::sign(key.verifier().public_key(), kPointerSalt, number, to_text(pointer),
                    [&](std::string_view bytes) { return key.sign_bytes(bytes); });
    return {put.owner, put.salt, put.number, put.signature, put.value};
}

Dht::Wishes wishes(std::vector<Head> own)
{
    Dht::Wishes wishes;
    wishes.own = std::move(own);
    wishes.port = 3142;
    wishes.places = {{"192.0.2.1", 3142}};
    wishes.wall_ms = 1'777'000'000'000;
    return wishes;
}

// All that is said within this time.
std::vector<swarm::Order> run(Dht& dht, const Dht::Wishes& wishes, SteadyTime from,
                              std::chrono::seconds length)
{
    std::vector<swarm::Order> all;
    for (SteadyTime now = from; now < from + length; now += seconds(1)) {
        const auto some = dht.due(wishes, now);
        EXPECT_LE(some.size(), kMostOrdersAtOnce + 2);
        all.insert(all.end(), some.begin(), some.end());
    }
    return all;
}

TEST(PeerDht, AnnouncesEachReleaseAtOnceAndThenEachQuarterToHalfHour)
{
    Dht dht(signer(1), 7);
    const auto first = run(dht, wishes({head(1)}), kStart, minutes(10));
    EXPECT_THAT(only<swarm::Announce>(first),
                SizeIs(testing::AllOf(testing::Ge(5U), testing::Le(9U))));
    EXPECT_EQ(only<swarm::Announce>(first).front(),
              (swarm::Announce{meeting_key(head(1).id), 3142}));
    const auto later = run(dht, wishes({head(1)}), kStart + hours(1), hours(10));
    EXPECT_GE(only<swarm::Announce>(later).size(), 20U);
    EXPECT_LE(only<swarm::Announce>(later).size(), 41U);
    EXPECT_LE(only<swarm::Lookup>(later).size(), 41U);
}

TEST(PeerDht, HasAtMostSoManyKeysAndNoneForEachPackage)
{
    Dht dht(signer(1), 7);
    std::vector<Head> many;
    for (int i = 0; i < 200; ++i)
        many.push_back(head(i));
    std::set<swarm::Key> keys;
    for (const auto& one : only<swarm::Announce>(run(dht, wishes(many), kStart, minutes(30))))
        keys.insert(one.key);
    EXPECT_THAT(keys, SizeIs(kMostKeys));
    EXPECT_EQ(keys.count(meeting_key(head(0).id)), 1U) << "the newest ones";
    EXPECT_EQ(dht.keys(), kMostKeys);
    auto seeking = wishes(many);
    seeking.sought = {head(500)};
    const auto sought = only<swarm::Lookup>(run(dht, seeking, kStart + hours(1), minutes(30)));
    EXPECT_THAT(sought, testing::Contains(swarm::Lookup{meeting_key(head(500).id)}));
    EXPECT_EQ(dht.keys(), kMostKeys);
}

TEST(PeerDht, AnnouncesAReleaseForADayAfterANewerOne)
{
    Dht dht(signer(1), 7);
    run(dht, wishes({head(1)}), kStart, minutes(1));
    const auto next = run(dht, wishes({head(2)}), kStart + minutes(1), hours(2));
    std::set<swarm::Key> announced, looked_up;
    for (const auto& one : only<swarm::Announce>(next))
        announced.insert(one.key);
    for (const auto& one : only<swarm::Lookup>(next))
        looked_up.insert(one.key);
    EXPECT_THAT(announced,
                testing::UnorderedElementsAre(meeting_key(head(1).id), meeting_key(head(2).id)));
    EXPECT_THAT(looked_up, testing::ElementsAre(meeting_key(head(2).id)));
    EXPECT_THAT(only<swarm::Announce>(run(dht, wishes({}), kStart + kLinger + hours(3), hours(1))),
                IsEmpty());
}

TEST(PeerDht, TellsNothingWhereNobodyMayAsk)
{
    Dht dht(signer(1), 7);
    auto silent = wishes({head(1)});
    silent.is_told = false;
    const auto said = run(dht, silent, kStart, hours(1));
    EXPECT_THAT(only<swarm::Announce>(said), IsEmpty());
    EXPECT_THAT(only<swarm::Put>(said), IsEmpty());
    EXPECT_THAT(only<swarm::Lookup>(said), testing::Not(IsEmpty()));
    auto nowhere = wishes({head(1)});
    nowhere.port = 0;
    EXPECT_THAT(only<swarm::Announce>(run(dht, nowhere, kStart + hours(2), hours(1))), IsEmpty());
}

TEST(PeerDht, BeginsAnewWithAProcessThatKnowsNothing)
{
    Dht dht(signer(1), 7);
    run(dht, wishes({head(1)}), kStart, hours(2));
    dht.begin(kStart + hours(2));
    const auto said = dht.due(wishes({head(1)}), kStart + hours(2));
    EXPECT_THAT(only<swarm::Announce>(said), SizeIs(1));
    EXPECT_THAT(only<swarm::Lookup>(said), SizeIs(1));
    EXPECT_THAT(only<swarm::Put>(said), SizeIs(1));
}

TEST(PeerDht, A19_TakesPublicAddressesOnlyAndNoPortOfTheSystem)
{
    Dht dht(signer(1), 7);
    dht.use(swarm::Net::internet);
    dht.due(wishes({head(1)}), kStart);
    const swarm::Key key = meeting_key(head(1).id);
    dht.take(swarm::Peers{key,
                          {{"10.0.0.1", 3142},
                           {"192.168.1.1", 3142},
                           {"127.0.0.1", 3142},
                           {"169.254.169.254", 80},
                           {"100.64.0.1", 3142},
                           {"224.0.0.1", 3142},
                           {"0.0.0.0", 3142},
                           {"::1", 3142},
                           {"fe80::1", 3142},
                           {"fd00::1", 3142},
                           {"ff02::1", 3142},
                           {"::ffff:10.0.0.1", 3142},
                           {"9.9.9.9", 22},
                           {"9.9.9.9", 25},
                           {"9.9.9.9", 1023}}},
             kStart);
    EXPECT_THAT(dht.candidates(kStart), IsEmpty());
    dht.take(swarm::Peers{key, {{"9.9.9.9", 3142}, {"2620:fe::fe", 443}}}, kStart);
    std::vector<std::string> urls;
    for (const auto& [name, places] : dht.candidates(kStart))
        urls.push_back(places.front().url);
    EXPECT_THAT(urls,
                testing::UnorderedElementsAre("http://9.9.9.9:3142", "http://[2620:fe::fe]:443"));
}

TEST(PeerDht, A19_AClosedNetIsOfPrivateAddresses)
{
    Dht dht(signer(1), 7);
    dht.use(swarm::Net::closed);
    dht.due(wishes({head(1)}), kStart);
    dht.take(
        swarm::Peers{
            meeting_key(head(1).id),
            {{"10.0.0.1", 3142}, {"9.9.9.9", 3142}, {"127.0.0.1", 3142}, {"10.0.0.1", 22}}},
        kStart);
    ASSERT_THAT(dht.candidates(kStart), SizeIs(1));
    EXPECT_EQ(dht.candidates(kStart).begin()->second.front().url, "http://10.0.0.1:3142");
}

TEST(PeerDht, A19_NobodyIsTakenUpWhoWasNotAskedFor)
{
    Dht dht(signer(1), 7);
    dht.due(wishes({head(1)}), kStart);
    dht.take(swarm::Peers{meeting_key(head(2).id), {{"9.9.9.9", 3142}}}, kStart);
    EXPECT_THAT(dht.candidates(kStart), IsEmpty());
}

TEST(PeerDht, RemembersSoManyAddressesForAWhile)
{
    Dht dht(signer(1), 7);
    dht.due(wishes({head(1)}), kStart);
    for (int i = 1; i < 250; ++i) {
        swarm::Peers peers{meeting_key(head(1).id), {}};
        for (int host = 1; host < 100; ++host)
            peers.places.push_back({"9.9." + std::to_string(i) + "." + std::to_string(host), 3142});
        dht.take(peers, kStart);
    }
    EXPECT_THAT(dht.candidates(kStart), SizeIs(kMostHeard));
    EXPECT_THAT(dht.candidates(kStart + kHeardFor + seconds(1)), IsEmpty());
}

TEST(PeerDht, A19_A23_OneHostWithManyPortsIsHeardTwiceAndManyHostsCrowdNobodyOut)
{
    Dht dht(signer(1), 7);
    dht.due(wishes({head(1)}), kStart);
    swarm::Peers peers{meeting_key(head(1).id), {}};
    for (std::uint16_t port = 3000; port < 3100; ++port) {
        peers.places.push_back({"9.9.9.9", port});
        peers.places.push_back({"2001:470::" + std::to_string(port), port});
    }
    dht.take(peers, kStart);
    EXPECT_THAT(dht.candidates(kStart), SizeIs(4));
    for (int i = 1; i < 10; ++i) {
        swarm::Peers crowd{meeting_key(head(1).id), {}};
        for (int host = 1; host < 120; ++host)
            crowd.places.push_back({"9.9." + std::to_string(i) + "." + std::to_string(host), 3142});
        dht.take(crowd, kStart);
    }
    dht.take(swarm::Peers{meeting_key(head(1).id), {{"11.0.0.1", 3142}}}, kStart);
    std::set<std::string> urls;
    for (const auto& [name, places] : dht.candidates(kStart))
        urls.insert(places.front().url);
    EXPECT_EQ(urls.size(), kMostHeard);
    EXPECT_EQ(urls.count("http://11.0.0.1:3142"), 1U) << "whoever comes late is heard";
}

TEST(PeerDht, A19_LooksAtFewStrangers)
{
    FoundPeers finding(kFarLimits);
    FoundPeers::Candidates candidates;
    for (int i = 0; i < 100; ++i) {
        const std::string url = "http://9.9.9.9:" + std::to_string(3000 + i);
        candidates[url].push_back({url, "", "the DHT"});
    }
    finding.update_from(candidates, {}, kStart);
    EXPECT_THAT(finding.peers(), SizeIs(8));
    finding.update_from(candidates, {}, kStart + seconds(29));
    EXPECT_THAT(finding.peers(), SizeIs(8));
    finding.update_from(candidates, {}, kStart + seconds(31));
    EXPECT_THAT(finding.peers(), SizeIs(9));
    for (int hour = 1; hour < 12; ++hour)
        finding.update_from(candidates, {}, kStart + hours(hour));
    EXPECT_THAT(finding.peers(), SizeIs(32));
}

TEST(PeerDht, PutsAPointerUnderAHigherNumberWhenItSaysSomethingElse)
{
    Dht dht(signer(1), 7);
    const auto first = only<swarm::Put>(dht.due(wishes({head(1)}), kStart));
    ASSERT_THAT(first, SizeIs(1));
    EXPECT_EQ(first[0].number, 1'777'000'000'000U);
    EXPECT_TRUE(swarm::is_genuine(
        {first[0].owner, first[0].salt, first[0].number, first[0].signature, first[0].value}));
    const auto pointer = parse_pointer(first[0].value);
    ASSERT_TRUE(pointer);
    EXPECT_EQ(pointer->places, wishes({}).places);
    EXPECT_THAT(pointer->heads, SizeIs(1));
    dht.take(swarm::Stored{first[0].owner, kPointerSalt, first[0].number, 8}, kStart);
    EXPECT_EQ(dht.kept_by(), 8U);
    EXPECT_THAT(only<swarm::Put>(run(dht, wishes({head(1)}), kStart, minutes(14))), IsEmpty());
    const auto refreshed =
        only<swarm::Put>(run(dht, wishes({head(1)}), kStart + minutes(14), minutes(17)));
    ASSERT_THAT(refreshed, SizeIs(testing::Ge(1U)));
    EXPECT_EQ(refreshed[0], first[0]) << "the same under the same number";
    const auto next = only<swarm::Put>(run(dht, wishes({head(2)}), kStart + hours(1), seconds(3)));
    ASSERT_THAT(next, SizeIs(1));
    EXPECT_GT(next[0].number, first[0].number) << "although the clock stands still";
}

TEST(PeerDht, ANumberThatIsKnownOutThereIsExceeded)
{
    Dht dht(signer(1), 7);
    const auto first = only<swarm::Put>(dht.due(wishes({head(1)}), kStart));
    dht.take(swarm::Stored{first[0].owner, kPointerSalt, first[0].number, 0}, kStart);
    const std::uint64_t ahead = first[0].number + 1'000'000;
    dht.take(item_of(signer(1), ahead, {}), kStart, kWall);
    const auto next = only<swarm::Put>(run(dht, wishes({head(1)}), kStart, seconds(30)));
    ASSERT_THAT(next, SizeIs(testing::Ge(1U)));
    EXPECT_GT(next.front().number, ahead);
}

TEST(PeerDht, FollowsWhoIsNamedAndNobodyElse)
{
    Dht dht(signer(1), 7);
    dht.follow({signer(2).verifier()});
    EXPECT_THAT(only<swarm::Get>(dht.due(wishes({}), kStart)),
                testing::Contains(swarm::Get{signer(2).verifier().public_key(), kPointerSalt}));
    const Pointer pointer{{{"192.0.2.2", 3142}}, {head(3)}};
    EXPECT_FALSE(dht.take(item_of(signer(3), 5, pointer), kStart, kWall));
    auto forged = item_of(signer(2), 5, pointer);
    forged.number = 6;
    EXPECT_FALSE(dht.take(forged, kStart, kWall));
    EXPECT_TRUE(dht.take(item_of(signer(2), 5, pointer), kStart, kWall));
    ASSERT_THAT(dht.followed(), SizeIs(1));
    EXPECT_EQ(dht.followed()[0].pointer, pointer);
    EXPECT_EQ(dht.followed()[0].seen, kWall);
}

TEST(PeerDht, A7_AnOlderPointerTakesNothingBack)
{
    Dht dht(signer(1), 7);
    dht.follow({signer(2).verifier()});
    const Pointer older{{{"192.0.2.2", 3142}}, {head(3)}}, newer{{{"192.0.2.3", 3142}}, {head(4)}};
    EXPECT_TRUE(dht.take(item_of(signer(2), 6, newer), kStart, kWall));
    EXPECT_FALSE(dht.take(item_of(signer(2), 5, older), kStart, kWall + seconds(5)));
    EXPECT_FALSE(dht.take(item_of(signer(2), 6, older), kStart, kWall));
    EXPECT_EQ(dht.followed()[0].pointer, newer);
    EXPECT_EQ(dht.followed()[0].seen, kWall);
}

TEST(PeerDht, KeepsThePointerOfAnAbsentNodeAlive)
{
    Dht dht(signer(1), 7);
    dht.follow({signer(2).verifier()});
    const auto item = item_of(signer(2), 6, {{{"192.0.2.2", 3142}}, {}});
    EXPECT_TRUE(dht.take(item, kStart, kWall));
    auto silent = wishes({});
    silent.is_told = false;
    EXPECT_THAT(only<swarm::Put>(run(dht, silent, kStart, minutes(14))), IsEmpty());
    const auto put = only<swarm::Put>(run(dht, silent, kStart + minutes(14), minutes(17)));
    ASSERT_THAT(put, SizeIs(testing::Ge(1U)));
    EXPECT_EQ(put[0], (swarm::Put{item.owner, item.salt, item.number, item.signature, item.value}));
}

TEST(PeerDht, LooksUpWhatAPointerNames)
{
    Dht dht(signer(1), 7);
    auto seeking = wishes({head(1)});
    seeking.sought = {head(2)};
    const auto said = run(dht, seeking, kStart, minutes(1));
    std::set<swarm::Key> announced, looked_up;
    for (const auto& one : only<swarm::Announce>(said))
        announced.insert(one.key);
    for (const auto& one : only<swarm::Lookup>(said))
        looked_up.insert(one.key);
    EXPECT_THAT(announced, testing::ElementsAre(meeting_key(head(1).id)));
    EXPECT_THAT(looked_up,
                testing::UnorderedElementsAre(meeting_key(head(1).id), meeting_key(head(2).id)));
}

}  // namespace
}  // namespace aptward::peer
