// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/have_set.h"

#include <gtest/gtest.h>

#include <random>

#include "code_of.h"

namespace aptward::peer {
namespace {

const std::string kRun = "0123456789abcdef";
const std::string kIndex(64, 'a'), kOther(64, 'b');

HaveSet set_of(std::size_t count, const std::vector<std::uint32_t>& places)
{
    HaveSet set(count);
    for (const std::uint32_t place : places)
        set.put(place, true);
    return set;
}

CountOf counts(std::size_t count)
{
    return [count](std::string_view index) {
        return index == kIndex ? std::optional(count) : std::nullopt;
    };
}

HaveSets with(HaveSet set)
{
    return {{kIndex, std::make_shared<const HaveSet>(std::move(set))}};
}

std::string whole(const HaveSet& set, std::uint64_t to = 7)
{
    HaveText text(kRun, 0, to);
    text.add_whole(kIndex, set);
    return std::move(text).finish();
}

TEST(HaveSet, IsReadAsItWasTold)
{
    std::mt19937 random(1);
    for (const std::size_t count : {0U, 1U, 7U, 8U, 63U, 64U, 65U, 1000U, 70'000U})
        for (const unsigned of_hundred : {0U, 1U, 50U, 99U, 100U}) {
            HaveSet set(count);
            for (std::size_t place = 0; place < count; ++place)
                set.put(place, random() % 100 < of_hundred);
            const std::string told = whole(set);
            EXPECT_LE(told.size(), count / 8 + 64) << "never more than a bit for each file";
            const auto news = read_have(told, 0, {}, counts(count));
            ASSERT_TRUE(news) << news.error().message();
            EXPECT_EQ(news->run, kRun);
            EXPECT_EQ(news->to, 7U);
            EXPECT_EQ(*news->sets.at(kIndex), set);
        }
}

TEST(HaveSet, OfFewFilesIsShort)
{
    EXPECT_LT(whole(set_of(70'000, {5, 69'999})).size(), 64U);
}

TEST(HaveSet, ChangesAreAppliedToWhatWasTold)
{
    HaveText text(kRun, 7, 9);
    text.add_changes(kIndex, 100, {{3, 99}, {0, 50}});
    const auto bytes = std::move(text).finish();
    const auto news = read_have(bytes, 7, with(set_of(100, {0, 1, 50})), counts(100));
    ASSERT_TRUE(news) << news.error().message();
    EXPECT_EQ(news->sets.at(kIndex)->places(), (std::vector<std::uint32_t>{1, 3, 99}));
    EXPECT_EQ(code_of(read_have(bytes, 6, with(set_of(100, {})), counts(100))), Errc::malformed)
        << "it does not begin there";
    EXPECT_EQ(code_of(read_have(bytes, 7, {}, counts(100))), Errc::malformed) << "changes of what?";
}

TEST(HaveSet, AnAnswerFromTheBeginningMakesWhatWasToldVoid)
{
    HaveText text(kRun, 0, 3);
    const auto news = read_have(std::move(text).finish(), 7, with(set_of(100, {1})), counts(100));
    ASSERT_TRUE(news);
    EXPECT_TRUE(news->sets.empty());
}

TEST(HaveSet, AnIndexThatIsGoneHasNone)
{
    HaveText text(kRun, 7, 8);
    text.add_gone(kIndex);
    const auto news = read_have(std::move(text).finish(), 7, with(set_of(100, {1})), counts(100));
    ASSERT_TRUE(news);
    EXPECT_TRUE(news->sets.empty());
}

TEST(HaveSet, OfAnUnknownIndexIsNotKept)
{
    HaveText text(kRun, 0, 8);
    text.add_whole(kOther, set_of(1000, {1}));
    const auto news = read_have(std::move(text).finish(), 0, {}, counts(100));
    ASSERT_TRUE(news);
    EXPECT_TRUE(news->sets.empty());
}

TEST(HaveSet, R22_HostileOnesAreRefused)
{
    EXPECT_EQ(code_of(read_have(whole(set_of(101, {1})), 0, {}, counts(100))), Errc::malformed)
        << "another number of files";
    const std::string good = whole(set_of(1000, {1, 2, 3}));
    for (std::size_t length = 0; length < good.size(); ++length)
        EXPECT_TRUE(length == 18 || !read_have(good.substr(0, length), 0, {}, counts(1000)))
            << length;
    EXPECT_EQ(code_of(read_have(std::string(kMaxHaveBytes + 1, 'x'), 0, {}, counts(1))),
              Errc::malformed);
    EXPECT_EQ(code_of(read_have(good + '\xff', 0, {}, counts(1000))), Errc::malformed);
    const auto gaps = [](const std::string& payload, char kind = 'g') {
        std::string text = whole(set_of(0, {})).substr(0, 18) + std::string(32, '\xaa');
        text += '\x64';  // a hundred files
        text += kind;
        text += static_cast<char>(payload.size());
        return code_of(read_have(text + payload, 0, {}, counts(100)));
    };
    EXPECT_EQ(gaps("\x64"), Errc::malformed) << "beyond the last file";
    EXPECT_EQ(gaps("\x62\x01"), Errc::malformed);
    EXPECT_EQ(gaps(std::string(10, '\xff')), Errc::malformed) << "beyond 64 bits";
    EXPECT_EQ(gaps("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Errc::malformed);
    EXPECT_EQ(gaps(std::string(101, '\0')), Errc::malformed) << "more than there are";
    EXPECT_EQ(gaps(std::string(12, '\0'), 'b'), Errc::malformed) << "too short a bitmap";
    EXPECT_EQ(gaps("", '?'), Errc::malformed);
    HaveText many(kRun, 0, 1);
    for (std::size_t i = 0; i <= 2 * kMostSets; ++i)
        many.add_gone(kIndex);
    EXPECT_EQ(code_of(read_have(std::move(many).finish(), 0, {}, counts(1))), Errc::malformed);
}

}  // namespace
}  // namespace aptward::peer
