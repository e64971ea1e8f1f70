// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/delegates.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "crypto/crypto.h"

namespace aptward::peer {
namespace {

Digest file(int number)
{
    return crypto::digest_of("file " + std::to_string(number));
}

TEST(Delegates, AreTheSameForEveryNode)
{
    const std::vector<std::string> keys = {"a", "b", "c", "d", "e", "f", "g", "h"};
    std::map<std::string, int> work;
    for (int number = 0; number < 800; ++number) {
        std::set<std::string> first;
        for (const std::string& self : keys) {
            std::vector<std::string> others;
            for (const std::string& key : keys)
                if (key != self)
                    others.push_back(key);
            const auto places = delegates_for(file(number), self, others);
            first.insert(places.empty() ? self : others[places.front()]);
        }
        ASSERT_EQ(first.size(), 1U) << "all ask the same one, and it asks nobody";
        ++work[*first.begin()];
    }
    for (const std::string& key : keys)
        EXPECT_GT(work[key], 50) << "each has its share";
}

TEST(Delegates, OneThatGoesAwayChangesNothingForTheFilesOfOthers)
{
    for (int number = 0; number < 100; ++number) {
        const std::vector<std::string> all = {"a", "b", "c"}, fewer = {"a", "c"};
        const auto before = delegates_for(file(number), "self", all);
        const auto after = delegates_for(file(number), "self", fewer);
        if (!before.empty() && all[before.front()] != "b") {
            EXPECT_EQ(fewer[after.front()], all[before.front()]);
        }
    }
}

}  // namespace
}  // namespace aptward::peer
