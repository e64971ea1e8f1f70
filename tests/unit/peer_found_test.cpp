// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/found.h"

#include <gmock/gmock.h>

namespace aptward::peer {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Looked = FoundPeers::Looked;

const SteadyTime kStart = SteadyTime(std::chrono::hours(1000));

Service service(const std::string& name, const std::string& address, std::uint16_t port = 3142)
{
    return {name, "eth0", address, port, false};
}

std::vector<std::string> urls(const FoundPeers& found)
{
    std::vector<std::string> all;
    for (const Found& one : found.peers())
        all.push_back(one.url);
    return all;
}

const char kUrl[] = "http://10.0.0.2:3142";

TEST(FoundPeers, A19_AreAskedAtAddressesOfALocalNetworkOnly)
{
    const std::pair<const char*, const char*> places[] = {
        {"10.0.0.2", "http://10.0.0.2:3142"},
        {"172.16.0.1", "http://172.16.0.1:3142"},
        {"172.31.255.254", "http://172.31.255.254:3142"},
        {"172.32.0.1", ""},
        {"192.168.7.9", "http://192.168.7.9:3142"},
        {"169.254.3.4", "http://169.254.3.4:3142"},
        {"fd12::1", "http://[fd12::1]:3142"},
        {"fe80::1", "http://[fe80::1%25eth0]:3142"},
        {"127.0.0.1", ""},
        {"127.8.8.8", ""},
        {"0.0.0.0", ""},
        {"255.255.255.255", ""},
        {"224.0.0.251", ""},
        {"11.0.0.1", ""},
        {"8.8.8.8", ""},
        {"192.0.2.1", ""},
        {"::1", ""},
        {"::", ""},
        {"::ffff:10.0.0.2", ""},
        {"::ffff:127.0.0.1", ""},
        {"2001:db8::1", ""},
        {"ff02::fb", ""},
        {"", ""},
        {"10.0.0.2/x", ""},
        {"10.0.2", ""},
        {"localhost", ""},
        {"fe80::1%eth0", ""},
    };
    for (const auto& [address, url] : places)
        EXPECT_EQ(url_of(service("b", address)).value_or(""), url) << address;
}

TEST(FoundPeers, A19_AreAskedAtNothingButTheAddressThatWasRead)
{
    using namespace std::string_literals;
    EXPECT_EQ(url_of(service("b", "10.0.0.2\0@example.org"s)), "http://10.0.0.2:3142");
    EXPECT_EQ(url_of(service("b", "fd12::1\0@example.org"s)), "http://[fd12::1]:3142");
}

TEST(FoundPeers, A19_AreAskedAtNoPortOfTheSystem)
{
    for (const int port : {0, 1, 22, 25, 79, 81, 111, 442, 444, 631, 1023})
        EXPECT_FALSE(url_of(service("b", "10.0.0.2", static_cast<std::uint16_t>(port)))) << port;
    for (const int port : {80, 443, 1024, 3142, 65535})
        EXPECT_TRUE(url_of(service("b", "10.0.0.2", static_cast<std::uint16_t>(port)))) << port;
}

TEST(FoundPeers, HaveInterfacesThatEndNoUrl)
{
    Service one = service("b", "fe80::1");
    for (const char* interface : {"", "eth0/x", "eth0]", "a b", "eth0\n", "%31"}) {
        one.interface = interface;
        EXPECT_FALSE(url_of(one)) << interface;
    }
}

TEST(FoundPeers, AreThoseThatAnnounceThemselves)
{
    FoundPeers found;
    EXPECT_FALSE(found.update({}, {}, kStart));
    EXPECT_TRUE(found.update({service("b", "10.0.0.2"), service("c", "10.0.0.3")}, {}, kStart));
    EXPECT_THAT(urls(found), ElementsAre(kUrl, "http://10.0.0.3:3142"));
    EXPECT_FALSE(found.update({service("b", "10.0.0.2"), service("c", "10.0.0.3")}, {}, kStart));
}

TEST(FoundPeers, AreNotThisNodeItself)
{
    FoundPeers found;
    Service own = service("a", "10.0.0.1");
    own.is_ours = true;
    EXPECT_FALSE(found.update({own}, {}, kStart));
    // Another one of this machine, or what a reflector brings back: its key tells.
    EXPECT_TRUE(found.update({service("b", "10.0.0.2")}, {}, kStart));
    EXPECT_TRUE(found.update({service("b", "10.0.0.2")}, {{kUrl, Looked{State::self}}}, kStart));
    EXPECT_THAT(urls(found), IsEmpty());
}

TEST(FoundPeers, HaveOneAddressForEachName)
{
    FoundPeers found;
    const Services both{service("b", "fe80::2"), service("b", "fd00::2"), service("b", "10.0.0.2")};
    found.update(both, {}, kStart);
    EXPECT_THAT(urls(found), ElementsAre(kUrl));
    found.update({service("b", "fe80::2"), service("b", "10.0.0.2"), service("c", "10.0.0.2")}, {},
                 kStart);
    EXPECT_THAT(urls(found), ElementsAre(kUrl)) << "two names of one address";
    found.update(both, {{kUrl, Looked{State::unreachable, 3}}}, kStart);
    EXPECT_THAT(urls(found), ElementsAre("http://[fd00::2]:3142")) << "the next one of it";
}

TEST(FoundPeers, ThatAreNamedAsWellAreOne)
{
    FoundPeers found;
    found.update({service("b", "10.0.0.2")}, {}, kStart);
    EXPECT_TRUE(
        found.update({service("b", "10.0.0.2")}, {{kUrl, Looked{State::linked, 0, true}}}, kStart));
    EXPECT_THAT(urls(found), IsEmpty());
    EXPECT_FALSE(found.update({service("b", "10.0.0.2")}, {}, kStart + seconds(59)));
    found.forget_quiet();
    EXPECT_TRUE(found.update({service("b", "10.0.0.2")}, {}, kStart + seconds(59)))
        << "when nobody names it any more";
}

TEST(FoundPeers, StayWhileTheyAnswer)
{
    FoundPeers found;
    found.update({service("b", "10.0.0.2")}, {}, kStart);
    EXPECT_FALSE(found.update({}, {{kUrl, Looked{State::linked}}}, kStart + minutes(60)))
        << "whoever says goodbye in its name";
    EXPECT_FALSE(found.update({}, {{kUrl, Looked{State::unreachable, 2}}}, kStart + minutes(60)));
    EXPECT_TRUE(found.update({}, {{kUrl, Looked{State::unreachable, 3}}}, kStart + minutes(60)));
    EXPECT_THAT(urls(found), IsEmpty());
}

TEST(FoundPeers, A19_ThatDoNotAnswerAreLeftAloneLongerEachTime)
{
    FoundPeers found;
    const Services services{service("b", "10.0.0.2")};
    SteadyTime now = kStart;
    found.update(services, {}, now);
    for (const int pause : {1, 2, 4, 8, 16, 32, 60, 60}) {
        EXPECT_TRUE(found.update(services, {{kUrl, Looked{State::unreachable, 3}}}, now));
        EXPECT_FALSE(found.update(services, {}, now + minutes(pause) - seconds(1))) << pause;
        now += minutes(pause);
        EXPECT_TRUE(found.update(services, {}, now)) << pause;
    }
    // That it answers makes good what was.
    found.update(services, {{kUrl, Looked{State::linked}}}, now);
    found.update(services, {{kUrl, Looked{State::no_node}}}, now);
    EXPECT_TRUE(found.update(services, {}, now + minutes(1)));
}

TEST(FoundPeers, A19_WhatIsNoNodeIsAskedOnce)
{
    FoundPeers found;
    const Services services{service("b", "10.0.0.2")};
    found.update(services, {}, kStart);
    EXPECT_TRUE(found.update(services, {{kUrl, Looked{State::no_node}}}, kStart));
    EXPECT_THAT(urls(found), IsEmpty());
    // Nor does it help to say goodbye and come back.
    found.update({}, {}, kStart);
    EXPECT_FALSE(found.update(services, {}, kStart + seconds(59)));
}

Services crowd(int count, int from = 0)
{
    Services services;
    for (int i = from; i < from + count; ++i)
        services.push_back(service("n" + std::to_string(i), "10.0." + std::to_string(i / 250) +
                                                                "." + std::to_string(i % 250 + 1)));
    return services;
}

TEST(FoundPeers, A19_ACrowdOfThemIsNotFollowedWhole)
{
    FoundPeers found;
    found.update(crowd(250), {}, kStart);
    EXPECT_THAT(urls(found), SizeIs(kMostFound));
}

TEST(FoundPeers, A19_WhoAnnouncesAddressesWithoutEndMakesUsLookAtFew)
{
    FoundPeers found;
    SteadyTime now = kStart;
    std::size_t looked_at = 0;
    for (int round = 0; round < 600; ++round, now += seconds(1)) {
        FoundPeers::Looks failed;
        for (const Found& one : found.peers())
            failed[one.url] = Looked{State::no_node};
        found.update(crowd(64, round * 64), failed, now);
        looked_at += found.peers().size();
    }
    EXPECT_LE(looked_at, kNewcomersAtOnce + 600 / kOneNewcomerEach.count());
}

TEST(FoundPeers, HaveNamesThatCanBePrinted)
{
    FoundPeers found;
    found.update({service("b\x1b[2J\n", "10.0.0.2")}, {}, kStart);
    EXPECT_EQ(found.peers().at(0).name, "b\\x1b[2J\\x0a");
}

TEST(FoundPeers, AreForgottenWhenNobodyLooks)
{
    FoundPeers found;
    EXPECT_FALSE(found.clear());
    found.update({service("b", "10.0.0.2")}, {}, kStart);
    EXPECT_TRUE(found.clear());
    EXPECT_THAT(urls(found), IsEmpty());
}

}  // namespace
}  // namespace aptward::peer
