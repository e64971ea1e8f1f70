// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Small questions about text that several parsers ask. Pure; ASCII only, no locale.

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aptward {

/// Without blanks and tabs at both ends.
std::string_view trim(std::string_view text);

/// The parts between blanks, tabs and newlines; no empty parts.
std::vector<std::string_view> words(std::string_view text);

std::string to_lower(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b);

/// A whole decimal number: digits only, no sign, no blanks, no overflow.
template <class Number = std::uint64_t>
std::optional<Number> parse_number(std::string_view text)
{
    Number value{};
    if (text.empty() || text.front() < '0' || text.front() > '9')
        return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

/// "500", "20k", "50M", "2G", "1T": decimal units, as in rates and limits of the configuration.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// Shows hostile bytes in a message: control and non-ASCII bytes as \xNN, cut at 80 characters.
std::string printable(std::string_view bytes);

/// "10 kB", "1.2 MB": for people; decimal units as apt prints them.
std::string human_size(std::uint64_t bytes);

/// "45 s", "12 min", "3 h", "5 d": for people.
std::string human_seconds(std::int64_t seconds);

}  // namespace aptward
