// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// How fuzz targets cut their input.

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace aptward::fuzz {

/// Cuts the next line off the front of `rest`, without its newline.
inline std::string_view next_line(std::string_view& rest)
{
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    return line;
}

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
