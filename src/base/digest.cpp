// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/digest.h"

#include <cstring>

namespace aptward {
namespace {

int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

}  // namespace

std::string_view to_string(HashAlgorithm algorithm)
{
    return algorithm == HashAlgorithm::sha256 ? "SHA256" : "SHA512";
}

std::string to_hex(const std::uint8_t* bytes, std::size_t count)
{
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text(count * 2, '0');
    for (std::size_t i = 0; i < count; ++i) {
        text[2 * i] = kDigits[bytes[i] >> 4];
        text[2 * i + 1] = kDigits[bytes[i] & 15];
    }
    return text;
}

std::string Digest::hex() const
{
    return to_hex(hash.data(), hash_bytes(algorithm));
}

std::optional<Digest> parse_digest(std::string_view hex, std::uint64_t size_bytes)
{
    Digest digest;
    if (hex.size() == 64)
        digest.algorithm = HashAlgorithm::sha256;
    else if (hex.size() == 128)
        digest.algorithm = HashAlgorithm::sha512;
    else
        return std::nullopt;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        const int high = hex_value(hex[i]);
        const int low = hex_value(hex[i + 1]);
        if (high < 0 || low < 0)
            return std::nullopt;
        digest.hash[i / 2] = static_cast<std::uint8_t>(high << 4 | low);
    }
    digest.size_bytes = size_bytes;
    return digest;
}

std::size_t DigestHash::operator()(const Digest& digest) const noexcept
{
    std::size_t value = 0;
    std::memcpy(&value, digest.hash.data(), sizeof value);
    return value;
}

}  // namespace aptward
