// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include "deb/deb.h"

namespace aptward::deb {
namespace {

// Debian policy 5.6.12, and what dpkg --compare-versions says.
TEST(Versions, AreInTheOrderOfThePolicy)
{
    const std::vector<std::string> ordered = {
        "0~",    "1~~",   "1~~a",   "1~",    "1",       "1+b1",    "1.0", "1.0-0.1",
        "1.0-1", "1.0-2", "1.0-10", "1.0a",  "1.1~rc1", "1.1~rc2", "1.1", "1.10",
        "2",     "9.99",  "10.0",   "1:0.1", "1:0.2-1", "2:0",
    };
    for (std::size_t i = 0; i < ordered.size(); ++i)
        for (std::size_t k = 0; k < ordered.size(); ++k) {
            const int order = compare_versions(ordered[i], ordered[k]);
            EXPECT_EQ(order < 0, i < k) << ordered[i] << " " << ordered[k];
            EXPECT_EQ(order > 0, i > k) << ordered[i] << " " << ordered[k];
        }
    EXPECT_EQ(compare_versions("0:1.0-0", "1.0"), 0);
    EXPECT_EQ(compare_versions("1.00", "1.0"), 0);
}

}  // namespace
}  // namespace aptward::deb
