// SPDX-License-Identifier: GPL-3.0-or-later
// Hashing by OpenSSL's EVP interface. A failure here is a broken library or exhausted memory, so
// it stops the program: going on without a hash would mean believing unverified bytes.
#include <openssl/evp.h>

#include "base/check.h"
#include "crypto/crypto.h"

namespace aptward::crypto {
namespace {

// EVP_sha256() makes OpenSSL 3 look the implementation up on every use; a fetched one is found
// once per program. Never freed: it lives as long as the program.
const EVP_MD* method_of(HashAlgorithm algorithm)
{
    static EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    static EVP_MD* const kSha512 = EVP_MD_fetch(nullptr, "SHA512", nullptr);
    const EVP_MD* method = algorithm == HashAlgorithm::sha256 ? kSha256 : kSha512;
    CHECK(method != nullptr, "every OpenSSL has SHA-256 and SHA-512");
    return method;
}

struct FreeState {
    void operator()(EVP_MD_CTX* state) const { EVP_MD_CTX_free(state); }
};
using OwnedState = std::unique_ptr<EVP_MD_CTX, FreeState>;

OwnedState new_state()
{
    OwnedState state(EVP_MD_CTX_new());
    CHECK(state != nullptr, "a hash state is a few hundred bytes");
    return state;
}

}  // namespace

struct Hasher::State {
    HashAlgorithm algorithm;
    OwnedState evp = new_state();
};

Hasher::Hasher(HashAlgorithm algorithm) : state_(new State{algorithm})
{
    CHECK(EVP_DigestInit_ex2(state_->evp.get(), method_of(algorithm), nullptr) == 1,
          "a fetched method starts");
}

Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(std::string_view bytes)
{
    CHECK(EVP_DigestUpdate(state_->evp.get(), bytes.data(), bytes.size()) == 1,
          "hashing memory does not fail");
    size_bytes_ += bytes.size();
}

Digest Hasher::digest() const
{
    const OwnedState copy = new_state();
    CHECK(EVP_MD_CTX_copy_ex(copy.get(), state_->evp.get()) == 1, "a hash state can be copied");
    Digest digest;
    digest.algorithm = state_->algorithm;
    digest.size_bytes = size_bytes_;
    unsigned written = 0;
    CHECK(EVP_DigestFinal_ex(copy.get(), digest.hash.data(), &written) == 1 &&
              written == hash_bytes(digest.algorithm),
          "the algorithm has the size that Digest knows");
    return digest;
}

Digest digest_of(std::string_view bytes, HashAlgorithm algorithm)
{
    Hasher hasher(algorithm);
    hasher.update(bytes);
    return hasher.digest();
}

}  // namespace aptward::crypto
