// SPDX-License-Identifier: GPL-3.0-or-later
#include "fetch/source.h"

#include <gtest/gtest.h>

namespace aptward::fetch {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const SteadyTime kNow = SteadyTime{} + std::chrono::hours(1);

SourceSettings mirror()
{
    SourceSettings settings;
    settings.url = "http://mirror.example/debian";
    return settings;
}

TEST(Source, R15_A1_NothingButTimeClosesTheBreakerThatALieOpened)
{
    Source source(mirror());
    source.charge(Fault::wrong_bytes, "a lie", kNow);
    EXPECT_TRUE(source.is_open(kNow));
    source.delivered(1000, milliseconds(5), Source::Proof::none);
    EXPECT_TRUE(source.is_open(kNow + seconds(59))) << "a document proves nothing";
    source.delivered(1000, milliseconds(5), Source::Proof::digest);
    EXPECT_TRUE(source.is_open(kNow + seconds(59))) << "nor do other bytes that were right";
    EXPECT_FALSE(source.is_open(kNow + seconds(61)));
}

SourceSettings neighbour()
{
    SourceSettings settings;
    settings.kind = SourceSettings::Kind::peer;
    settings.url = "http://b.example:3142";
    return settings;
}

TEST(Source, ANeighbourThatNobodyKnowsIsTriedBeforeAMirrorThatNobodyKnows)
{
    const Source near(neighbour()), far(mirror());
    EXPECT_LT(near.rank(100'000, kNow), far.rank(100'000, kNow));
    Source slow(neighbour()), fast(mirror());
    slow.answered(milliseconds(400));
    fast.answered(milliseconds(20));
    EXPECT_GT(slow.rank(1000, kNow), fast.rank(1000, kNow)) << "what was measured counts";
}

TEST(Source, A1_ANeighbourIsTriedAfterMuchThatWasRightAndNotAfterALie)
{
    EXPECT_TRUE(Source(mirror()).is_tried());
    Source peer(neighbour());
    EXPECT_FALSE(peer.is_tried());
    peer.delivered(kProvenToBeTried, milliseconds(5), Source::Proof::none);
    EXPECT_FALSE(peer.is_tried()) << "a document proves nothing";
    peer.delivered(kProvenToBeTried, milliseconds(5), Source::Proof::digest);
    EXPECT_TRUE(peer.is_tried());
    peer.charge(Fault::stalled, "bad luck", kNow);
    EXPECT_TRUE(peer.is_tried());
    peer.charge(Fault::wrong_bytes, "a lie", kNow);
    EXPECT_FALSE(peer.is_tried());
}

TEST(Source, R15_A1_ALiarThatLiesAgainIsKeptOffForLonger)
{
    Source source(mirror());
    source.charge(Fault::wrong_bytes, "a lie", kNow);
    source.delivered(1000, milliseconds(5), Source::Proof::none);
    source.charge(Fault::wrong_bytes, "another", kNow + seconds(70));
    EXPECT_TRUE(source.is_open(kNow + seconds(70 + 119)));
    EXPECT_FALSE(source.is_open(kNow + seconds(70 + 121)));
    source.delivered(1000, milliseconds(5), Source::Proof::digest);
    source.charge(Fault::wrong_bytes, "a third", kNow + seconds(1000));
    EXPECT_FALSE(source.is_open(kNow + seconds(1061))) << "after proven bytes it counts anew";
}

TEST(Source, R15_A1_ALieIsNotForgottenByARestart)
{
    Source before(mirror());
    before.charge(Fault::wrong_bytes, "a lie", kNow);
    before.delivered(1000, milliseconds(5), Source::Proof::none);
    Source after(mirror());
    after.restore(before.report(kNow), kNow);
    EXPECT_TRUE(after.is_open(kNow + seconds(58)));
    after.delivered(1000, milliseconds(5), Source::Proof::none);
    EXPECT_TRUE(after.is_open(kNow + seconds(58))) << "a document proves nothing";
    EXPECT_FALSE(after.is_open(kNow + seconds(62)));
}

TEST(Source, R15_WhatWasBadLuckIsForgivenAtTheFirstGoodAnswer)
{
    Source source(mirror());
    for (int i = 0; i < 3; ++i)
        source.charge(Fault::refused, "no connection", kNow);
    EXPECT_TRUE(source.is_open(kNow));
    source.delivered(1000, milliseconds(5), Source::Proof::none);
    EXPECT_FALSE(source.is_open(kNow));
}

TEST(Source, AStandInKnowsWhatTheSourceKnewAndTeachesItNothing)
{
    Source source(mirror());
    source.charge(Fault::refused, "no connection", kNow);
    const auto disturbance = std::make_shared<Disturbance>(Disturbance::Kind::lie);
    const auto stand_in = source.stand_in(disturbance);
    EXPECT_EQ(stand_in->failures_in_a_row(), 1U);
    EXPECT_EQ(stand_in->url(), source.url());
    stand_in->charge(Fault::wrong_bytes, "a lie", kNow);
    EXPECT_TRUE(stand_in->is_open(kNow));
    EXPECT_FALSE(source.is_open(kNow));
    EXPECT_EQ(source.failures_in_a_row(), 1U);
    EXPECT_EQ(stand_in->disturbance(), disturbance.get());
    EXPECT_EQ(source.disturbance(), nullptr);
    disturbance->is_over = true;
    EXPECT_EQ(stand_in->disturbance(), nullptr) << "what is late meets no disturbance";
    EXPECT_TRUE(stand_in->was_disturbed());
}

}  // namespace
}  // namespace aptward::fetch
