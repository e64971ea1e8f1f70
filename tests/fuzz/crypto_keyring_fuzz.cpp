// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever is taken as a keyring is complete: its own binary form gives the same keys again.
#include "base/check.h"
#include "crypto/crypto.h"

using namespace aptward;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size)
{
    const auto keyring = crypto::parse_keyring(std::string(bytes, bytes + size));
    if (!keyring)
        return 0;
    CHECK(!keyring->keys.empty(), "a keyring holds keys");
    for (const crypto::PublicKey& key : keyring->keys) {
        CHECK(key.fingerprint.size() == 40 && key.primary.size() == 40, "version 4 only");
        CHECK(key.bits >= 0 && key.bits <= 65535, "bits are counted in two octets");
        CHECK(keyring->find(key.fingerprint) != nullptr, "every key can be found");
        CHECK(keyring->find(key.primary) != nullptr, "so can its primary key");
    }
    const auto again = crypto::parse_keyring(keyring->binary);
    CHECK(again && again->binary == keyring->binary, "the binary form is a keyring");
    CHECK(again->keys.size() == keyring->keys.size(), "of the same keys");
    const crypto::Keyring merged = crypto::merge_keyrings({*keyring, *again});
    CHECK(merged.sha256_hex == keyring->sha256_hex, "merging repeats nothing");
    return 0;
}
