// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Ed25519 signatures, for what nodes say themselves. Nothing of a vendor is signed with it.
// Spec: RFC 8032 5.1.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace aptward::crypto {

/// A public key, or the secret seed of a key pair.
using Ed25519Key = std::array<std::uint8_t, 32>;

/// The key whose 32 bytes these are; nothing for another count. Pure.
std::optional<Ed25519Key> ed25519_key(std::string_view bytes);
std::string bytes_of(const Ed25519Key& key);

/// A new seed that nobody can foresee.
Ed25519Key make_ed25519_seed();
/// The public key of a seed. Pure.
Ed25519Key ed25519_public(const Ed25519Key& seed);

/// The 64 bytes of the signature. Pure.
std::string sign_ed25519(const Ed25519Key& seed, std::string_view message);
/// Pure.
bool verify_ed25519(const Ed25519Key& public_key, std::string_view message,
                    std::string_view signature);

}  // namespace aptward::crypto
