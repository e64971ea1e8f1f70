// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// How fuzz targets cut their input.

#include <cstdint>
#include <string_view>

namespace aptward::fuzz {

/// The first byte says which of the checks gets the rest. What a fuzz target returns.
template <class... Checks>
int choose(const std::uint8_t* bytes, std::size_t size, const Checks&... checks)
{
    if (size == 0)
        return 0;
    const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
    std::size_t number = bytes[0] % sizeof...(checks);
    ((number-- == 0 ? checks(text) : void()), ...);
    return 0;
}

}  // namespace aptward::fuzz
