// SPDX-License-Identifier: GPL-3.0-or-later
#include "catalog/universe.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "crypto/crypto.h"
#include "temporary_folder.h"

namespace aptward::catalog {
namespace {

class UniverseTest : public testing::Test {
protected:
    std::shared_ptr<const Table> table(const std::vector<Digest>& digests)
    {
        TableBuilder builder;
        for (const Digest& digest : digests)
            builder.add("pool/" + std::to_string(number_++), digest);
        const auto path = folder_ / std::to_string(number_++);
        EXPECT_TRUE(write_file_durably(path, *std::move(builder).finish()));
        return *Table::open(path);
    }

    const TemporaryFolder temporary_;
    const std::filesystem::path& folder_ = temporary_.path();
    int number_ = 0;
};

TEST_F(UniverseTest, HasOneOrderHoweverAnIndexNamesItsFiles)
{
    std::vector<Digest> digests;
    for (int i = 0; i < 500; ++i) {
        const auto algorithm = i % 3 == 0 ? HashAlgorithm::sha512 : HashAlgorithm::sha256;
        digests.push_back(crypto::digest_of(std::to_string(i), algorithm));
    }
    std::vector<Digest> turned(digests.rbegin(), digests.rend());
    turned.push_back(digests.front());  // under a second path
    std::vector<Digest> files;
    const auto one = Universe::of(*table(digests), &files), other = Universe::of(*table(turned));
    ASSERT_TRUE(one && other);
    EXPECT_EQ((*one)->count(), 500U);
    EXPECT_EQ((*other)->count(), 500U);
    ASSERT_EQ(files.size(), 500U);
    for (std::size_t place = 0; place < files.size(); ++place) {
        EXPECT_EQ((*one)->place_of(files[place]), place);
        EXPECT_EQ((*other)->place_of(files[place]), place);
    }
    EXPECT_FALSE((*one)->place_of(crypto::digest_of("500")));
    EXPECT_FALSE((*one)->place_of(crypto::digest_of("1", HashAlgorithm::sha512)))
        << "another hash of the same bytes is another name";
}

TEST_F(UniverseTest, OfNothingIsEmpty)
{
    const auto universe = Universe::of(*table({}));
    ASSERT_TRUE(universe);
    EXPECT_EQ((*universe)->count(), 0U);
    EXPECT_FALSE((*universe)->place_of(crypto::digest_of("x")));
}

}  // namespace
}  // namespace aptward::catalog
