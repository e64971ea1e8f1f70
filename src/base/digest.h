// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// A digest: the only name by which bytes are believed. Algorithm, hash and size in bytes.
//
// SHA-256 nearly always; SHA-512 where an index lists nothing else (apt-ftparchive can be told
// so). Weaker algorithms have no representation here, so they cannot give trust by accident.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace aptward {

enum class HashAlgorithm : std::uint8_t { sha256, sha512 };

constexpr std::size_t hash_bytes(HashAlgorithm algorithm)
{
    return algorithm == HashAlgorithm::sha256 ? 32 : 64;
}

/// "SHA256" or "SHA512": the spelling of Release files and by-hash directories.
std::string_view to_string(HashAlgorithm algorithm);

struct Digest {
    HashAlgorithm algorithm = HashAlgorithm::sha256;
    std::array<std::uint8_t, 64> hash{};  ///< The first hash_bytes(algorithm); the rest is zero.
    std::uint64_t size_bytes = 0;

    auto operator<=>(const Digest&) const = default;

    /// The hash alone in lower-case hexadecimal.
    std::string hex() const;
};

/// Reads 64 or 128 hexadecimal digits, either case; nothing for anything else. Pure.
std::optional<Digest> parse_digest(std::string_view hex, std::uint64_t size_bytes);

/// Lower-case hexadecimal of any bytes.
std::string to_hex(const std::uint8_t* bytes, std::size_t count);

/// For hash maps: cryptographic hashes are uniform, so eight of their bytes do.
struct DigestHash {
    std::size_t operator()(const Digest& digest) const noexcept;
};

}  // namespace aptward
