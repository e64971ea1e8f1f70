// SPDX-License-Identifier: GPL-3.0-or-later
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <vector>

#include "base/check.h"
#include "crypto/crypto.h"

namespace aptward::crypto {
namespace {

constexpr int kRounds = 50'000;  // 10 to 25 ms

const unsigned char* unsigned_bytes(std::string_view text)
{
    return static_cast<const unsigned char*>(static_cast<const void*>(text.data()));
}

}  // namespace

std::string slow_digest(std::string_view secret, std::string_view salt)
{
    std::uint8_t digest[32];
    CHECK(PKCS5_PBKDF2_HMAC(secret.data(), static_cast<int>(secret.size()), unsigned_bytes(salt),
                            static_cast<int>(salt.size()), kRounds, EVP_sha256(), sizeof digest,
                            digest) == 1,
          "PBKDF2 with fixed parameters does not fail");
    return to_hex(digest, sizeof digest);
}

std::string random_hex(std::size_t bytes)
{
    std::vector<std::uint8_t> random(bytes);
    CHECK(RAND_bytes(random.data(), static_cast<int>(bytes)) == 1, "the system has randomness");
    return to_hex(random.data(), random.size());
}

}  // namespace aptward::crypto
