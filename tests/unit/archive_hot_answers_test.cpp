// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/hot_answers.h"

#include <gtest/gtest.h>

#include <thread>

namespace aptward::archive {
namespace {

store::HotBlobPtr blob_in_hand(std::string bytes)
{
    auto blob = std::make_shared<store::HotBlob>();
    blob->bytes = std::move(bytes);
    blob->is_in_hand = true;
    return blob;
}

HotAnswer answer_of(std::string head)
{
    HotAnswer answer;
    answer.head = std::move(head);
    return answer;
}

TEST(HotAnswersTest, WhatWasKeptIsFoundUntilSomethingChanges)
{
    HotAnswers hot;
    const auto blob = blob_in_hand("bytes");
    hot.keep("/a", hot.moment(), answer_of("head"), blob);
    const auto found = hot.find("/a");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->answer->head, "head");
    EXPECT_EQ(found->blob->bytes, "bytes");
    EXPECT_FALSE(hot.find("/b"));
    hot.forget();
    EXPECT_FALSE(hot.find("/a"));
}

// Claims changed between the look-up and the moment its answer was kept.
TEST(HotAnswersTest, AnAnswerFromBeforeAChangeIsNotFoundHoweverLateItIsKept)
{
    HotAnswers hot;
    const std::uint64_t before = hot.moment();
    hot.forget();
    const auto blob = blob_in_hand("bytes");
    hot.keep("/a", before, answer_of("head"), blob);
    EXPECT_FALSE(hot.find("/a"));
}

TEST(HotAnswersTest, TheBytesBelongToTheHotBlobs)
{
    HotAnswers hot;
    auto blob = blob_in_hand("bytes");
    hot.keep("/a", hot.moment(), answer_of("head"), blob);
    blob.reset();
    EXPECT_FALSE(hot.find("/a"));
}

TEST(HotAnswersTest, ABlobThatIsFoundCountsAsUsed)
{
    HotAnswers hot;
    const auto blob = blob_in_hand("bytes");
    hot.keep("/a", hot.moment(), answer_of("head"), blob);
    blob->was_used = false;
    ASSERT_TRUE(hot.find("/a"));
    EXPECT_TRUE(blob->was_used);
}

TEST(HotAnswersTest, NoNodeAndNoLoopFindsWhatAnotherKept)
{
    HotAnswers one, other;
    const auto blob = blob_in_hand("bytes");
    one.keep("/a", one.moment(), answer_of("head"), blob);
    EXPECT_FALSE(other.find("/a"));
    one.keep("/a", one.moment(), answer_of("head"), blob);
    bool is_found = true;
    std::thread([&] { is_found = one.find("/a").has_value(); }).join();
    EXPECT_FALSE(is_found);
    EXPECT_TRUE(one.find("/a"));
}

TEST(HotAnswersTest, HoweverManyNamesThereAreTheSetStaysBounded)
{
    HotAnswers hot;
    const auto blob = blob_in_hand("bytes");
    for (std::size_t i = 0; i <= HotAnswers::kMostHotAnswers; ++i)
        hot.keep("/" + std::to_string(i), hot.moment(), answer_of("head"), blob);
    EXPECT_FALSE(hot.find("/0"));
    EXPECT_TRUE(hot.find("/" + std::to_string(HotAnswers::kMostHotAnswers)));
}

}  // namespace
}  // namespace aptward::archive
