// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include "crypto/crypto.h"

namespace aptward::crypto {
namespace {

// FIPS 180-2, appendices B.1 and C.1.
TEST(Hasher, GivesTheDigestsOfTheStandard)
{
    EXPECT_EQ(digest_of("abc").hex(),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(digest_of("abc", HashAlgorithm::sha512).hex(),
              "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
              "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    EXPECT_EQ(digest_of("").hex(),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Hasher, CountsBytesAndGivesTheSameForEveryCut)
{
    const std::string bytes(1000, 'x');
    for (const std::size_t cut : {0U, 1U, 63U, 64U, 65U, 999U, 1000U}) {
        Hasher hasher;
        hasher.update(std::string_view(bytes).substr(0, cut));
        hasher.update(std::string_view(bytes).substr(cut));
        EXPECT_EQ(hasher.digest(), digest_of(bytes)) << cut;
        EXPECT_EQ(hasher.digest().size_bytes, 1000U);
        EXPECT_EQ(hasher.size_bytes(), 1000U);
    }
}

TEST(Hasher, GoesOnAfterADigest)
{
    Hasher hasher;
    hasher.update("a");
    EXPECT_EQ(hasher.digest(), digest_of("a"));
    hasher.update("bc");
    Hasher moved = std::move(hasher);
    EXPECT_EQ(moved.digest(), digest_of("abc"));
}

}  // namespace
}  // namespace aptward::crypto
