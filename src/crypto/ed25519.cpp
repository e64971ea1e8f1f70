// SPDX-License-Identifier: GPL-3.0-or-later
#include "crypto/ed25519.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <memory>

#include "base/check.h"

namespace aptward::crypto {
namespace {

constexpr std::size_t kSignatureBytes = 64;

struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeDigest {
    void operator()(EVP_MD_CTX* digest) const { EVP_MD_CTX_free(digest); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeKey>;
using DigestPtr = std::unique_ptr<EVP_MD_CTX, FreeDigest>;

const unsigned char* unsigned_bytes(std::string_view text)
{
    return static_cast<const unsigned char*>(static_cast<const void*>(text.data()));
}

KeyPtr load_seed(const Ed25519Key& seed)
{
    KeyPtr key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
    CHECK(key != nullptr, "any 32 bytes are a seed");
    return key;
}

}  // namespace

std::optional<Ed25519Key> ed25519_key(std::string_view bytes)
{
    Ed25519Key key{};
    if (bytes.size() != key.size())
        return std::nullopt;
    std::transform(bytes.begin(), bytes.end(), key.begin(),
                   [](char c) { return static_cast<std::uint8_t>(c); });
    return key;
}

std::string bytes_of(const Ed25519Key& key)
{
    return std::string(key.begin(), key.end());
}

Ed25519Key make_ed25519_seed()
{
    Ed25519Key seed{};
    CHECK(RAND_priv_bytes(seed.data(), static_cast<int>(seed.size())) == 1,
          "the system has randomness");
    return seed;
}

Ed25519Key ed25519_public(const Ed25519Key& seed)
{
    const KeyPtr key = load_seed(seed);
    Ed25519Key bytes{};
    std::size_t size = bytes.size();
    CHECK(EVP_PKEY_get_raw_public_key(key.get(), bytes.data(), &size) == 1 && size == bytes.size(),
          "every seed has a public key of 32 bytes");
    return bytes;
}

std::string sign_ed25519(const Ed25519Key& seed, std::string_view message)
{
    const KeyPtr key = load_seed(seed);
    const DigestPtr digest(EVP_MD_CTX_new());
    std::array<unsigned char, kSignatureBytes> signature{};
    std::size_t size = signature.size();
    CHECK(digest && EVP_DigestSignInit(digest.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
              EVP_DigestSign(digest.get(), signature.data(), &size, unsigned_bytes(message),
                             message.size()) == 1 &&
              size == signature.size(),
          "signing in memory does not fail");
    return std::string(signature.begin(), signature.end());
}

bool verify_ed25519(const Ed25519Key& public_key, std::string_view message,
                    std::string_view signature)
{
    if (signature.size() != kSignatureBytes)
        return false;
    // Bytes that are no point of the curve load, and verify nothing.
    const KeyPtr key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, public_key.data(),
                                                 public_key.size()));
    const DigestPtr digest(EVP_MD_CTX_new());
    return key && digest &&
           EVP_DigestVerifyInit(digest.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
           EVP_DigestVerify(digest.get(), unsigned_bytes(signature), signature.size(),
                            unsigned_bytes(message), message.size()) == 1;
}

}  // namespace aptward::crypto
