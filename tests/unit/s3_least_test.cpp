// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/least.h"

#include <gtest/gtest.h>

#include "crypto/crypto.h"

namespace aptward::s3 {
namespace {

TEST(Least, GivesAllInTurnsOfBoundedSize)
{
    for (const std::size_t count : {0U, 1U, 9U, 10U, 11U, 19U, 20U, 21U, 95U}) {
        std::vector<Digest> all;
        for (std::size_t i = 0; i < count; ++i)
            all.push_back(crypto::digest_of(std::to_string(i)));
        std::vector<Digest> seen;
        Digest after{};
        for (bool is_cut = true; is_cut;) {
            Least least(10);
            for (const Digest& digest : all)
                if (after < digest)
                    least.add(digest);
            const auto turn = least.take();
            EXPECT_LE(turn.size(), 10U);
            seen.insert(seen.end(), turn.begin(), turn.end());
            is_cut = least.is_cut();
            if (is_cut)
                after = turn.back();
        }
        std::sort(all.begin(), all.end());
        EXPECT_EQ(seen, all) << count;
    }
}

}  // namespace
}  // namespace aptward::s3
