// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Cutting text into lines and words from its front, without copies. Private to deb/.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace aptward::deb {

/// The largest size that any index may claim (V23): above it a number is an attack or a mistake.
inline constexpr std::uint64_t kLargestListedSize = 1ULL << 40;

inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/// Cuts the next line off the front of `rest`, without its newline.
inline std::string_view next_line(std::string_view& rest)
{
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return line;
}

/// Cuts the next blank-separated word off the front of `rest`; empty at the end.
inline std::string_view next_word(std::string_view& rest)
{
    constexpr std::string_view kBlanks = " \t\r";
    rest.remove_prefix(std::min(rest.find_first_not_of(kBlanks), rest.size()));
    const std::string_view word = rest.substr(0, rest.find_first_of(kBlanks));
    rest.remove_prefix(word.size());
    return word;
}

/// Without blanks, tabs and carriage returns at both ends.
inline std::string_view trim_line(std::string_view line)
{
    while (!line.empty() && (is_blank(line.front()) || line.front() == '\r'))
        line.remove_prefix(1);
    while (!line.empty() && (is_blank(line.back()) || line.back() == '\r'))
        line.remove_suffix(1);
    return line;
}

}  // namespace aptward::deb
