// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/own_sets.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "base/file.h"
#include "crypto/crypto.h"
#include "temporary_folder.h"

namespace aptward::peer {
namespace {

const std::string kRun = "0123456789abcdef";
const std::string kIndex(64, 'a'), kOther(64, 'b');

Digest file(int number)
{
    return crypto::digest_of("file " + std::to_string(number));
}

class OwnSetsTest : public testing::Test {
protected:
    // An index of files [0, count).
    OwnSets::Index index(int count)
    {
        catalog::TableBuilder builder;
        for (int i = 0; i < count; ++i)
            builder.add("pool/" + std::to_string(i), file(i));
        builder.add("pool/again", file(0));
        const auto path = folder_ / std::to_string(count);
        EXPECT_TRUE(write_file_durably(path, *std::move(builder).finish()));
        std::vector<Digest> files;
        auto universe = catalog::Universe::of(**catalog::Table::open(path), &files);
        HaveSet set(files.size());
        for (std::size_t place = 0; place < files.size(); ++place)
            set.put(place, held_.count(files[place]) > 0);
        return {*universe, std::move(set)};
    }

    bool update(const std::vector<std::string>& names,
                std::map<std::string, OwnSets::Index> fresh = {})
    {
        return sets_.update(names, std::move(fresh), [this](const std::string&, const Digest& one) {
            return held_.count(one) > 0;
        });
    }

    // Another node asks for what changed.
    std::vector<std::uint32_t> told(const std::string& name = kIndex)
    {
        const auto universes = sets_.universes();
        auto news = read_have(sets_.text_after(heard_.to), heard_.to, heard_.sets,
                              [&](std::string_view one) -> std::optional<std::size_t> {
                                  const auto found = universes->find(one);
                                  return found == universes->end()
                                             ? std::nullopt
                                             : std::optional(found->second->count());
                              });
        EXPECT_TRUE(news) << news.error().message();
        heard_ = std::move(*news);
        const auto found = heard_.sets.find(name);
        return found == heard_.sets.end() ? std::vector<std::uint32_t>{99}
                                          : found->second->places();
    }

    std::vector<std::uint32_t> places(const std::vector<int>& numbers) const
    {
        std::set<std::uint32_t> all;
        for (const int number : numbers)
            all.insert(
                static_cast<std::uint32_t>(*sets_.universes()->at(kIndex)->place_of(file(number))));
        return {all.begin(), all.end()};
    }

    void change(int number, bool is_held)
    {
        if (is_held)
            held_.insert(file(number));
        else
            held_.erase(file(number));
        sets_.note(file(number));
    }

    const TemporaryFolder temporary_;
    const std::filesystem::path& folder_ = temporary_.path();
    std::set<Digest> held_;
    OwnSets sets_{kRun};
    HaveNews heard_;
};

TEST_F(OwnSetsTest, TellWhatIsHeldAndWhatChanged)
{
    sets_.begin();
    held_.insert(file(3));
    std::map<std::string, OwnSets::Index> fresh;
    fresh.emplace(kIndex, index(50));
    EXPECT_TRUE(update({kIndex}, std::move(fresh)));
    EXPECT_EQ(sets_.universes()->at(kIndex)->count(), 50U) << "one place for each file";
    EXPECT_EQ(told(), places({3}));
    EXPECT_FALSE(update({kIndex})) << "nothing new";
    change(7, true);
    change(8, true);
    change(3, false);
    change(8, false);    // it was there in between
    change(1000, true);  // listed nowhere
    EXPECT_TRUE(update({kIndex}));
    EXPECT_EQ(told(), places({7}));
    sets_.note(file(7));
    EXPECT_FALSE(update({kIndex})) << "as it was";
}

TEST_F(OwnSetsTest, AnIndexThatIsNotGivenAnyMoreIsGone)
{
    sets_.begin();
    std::map<std::string, OwnSets::Index> fresh;
    fresh.emplace(kIndex, index(50));
    fresh.emplace(kOther, index(20));
    update({kIndex, kOther}, std::move(fresh));
    EXPECT_NE(told(kOther), std::vector<std::uint32_t>{99});
    EXPECT_TRUE(update({kIndex}));
    EXPECT_EQ(told(kOther), std::vector<std::uint32_t>{99});
    EXPECT_EQ(heard_.sets.size(), 1U);
}

TEST_F(OwnSetsTest, MoreChangesThanAreRememberedAreToldWhole)
{
    sets_.begin();
    std::map<std::string, OwnSets::Index> fresh;
    fresh.emplace(kIndex, index(50));
    update({kIndex}, std::move(fresh));
    told();
    for (int i = 0; i < 5000; ++i) {
        change(i % 49, i % 2 == 0);
        update({kIndex});
    }
    change(49, true);
    update({kIndex});
    const auto now = told();
    for (const std::uint32_t place : places({49}))
        EXPECT_NE(std::find(now.begin(), now.end(), place), now.end());
    std::vector<int> numbers;
    for (int i = 0; i < 50; ++i)
        if (held_.count(file(i)) > 0)
            numbers.push_back(i);
    EXPECT_EQ(now, places(numbers));
}

TEST_F(OwnSetsTest, ANumberOfTheFutureBeginsAnew)
{
    sets_.begin();
    held_.insert(file(3));
    std::map<std::string, OwnSets::Index> fresh;
    fresh.emplace(kIndex, index(50));
    update({kIndex}, std::move(fresh));
    heard_.to = 1000;
    EXPECT_EQ(told(), places({3}));
}

}  // namespace
}  // namespace aptward::peer
