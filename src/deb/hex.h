// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Private to deb/: hexadecimal at the pace of the index scan, where a digest comes every 800 bytes.

#include <array>
#include <cstdint>
#include <string_view>

namespace aptward::deb {

inline constexpr std::array<std::uint8_t, 256> kHexValues = [] {
    std::array<std::uint8_t, 256> values{};
    values.fill(0xff);
    for (unsigned digit = 0; digit < 10; ++digit)
        values['0' + digit] = static_cast<std::uint8_t>(digit);
    for (unsigned digit = 0; digit < 6; ++digit)
        values['a' + digit] = values['A' + digit] = static_cast<std::uint8_t>(10 + digit);
    return values;
}();

/// Writes hex.size() / 2 bytes. False when something is no hexadecimal digit; without early exit,
/// because digests nearly always are what they should be.
inline bool decode_hex(std::string_view hex, std::uint8_t* bytes)
{
    unsigned seen = 0;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        const unsigned high = kHexValues[static_cast<unsigned char>(hex[i])];
        const unsigned low = kHexValues[static_cast<unsigned char>(hex[i + 1])];
        seen |= high | low;
        bytes[i / 2] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return seen < 16;
}

}  // namespace aptward::deb
