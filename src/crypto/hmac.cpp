// SPDX-License-Identifier: GPL-3.0-or-later
#include "crypto/hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "base/check.h"

namespace aptward::crypto {

std::string hmac_sha256(std::string_view key, std::string_view bytes)
{
    std::array<unsigned char, 32> mac{};
    unsigned written = 0;
    CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
               reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), mac.data(),
               &written) != nullptr &&
              written == mac.size(),
          "every OpenSSL has HMAC with SHA-256");
    return {reinterpret_cast<const char*>(mac.data()), mac.size()};
}

}  // namespace aptward::crypto
