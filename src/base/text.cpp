// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace aptward {
namespace {

bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::string_view trim(std::string_view text)
{
    while (!text.empty() && is_blank(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back()))
        text.remove_suffix(1);
    return text;
}

std::vector<std::string_view> words(std::string_view text)
{
    std::vector<std::string_view> found;
    std::size_t start = 0;
    while (start < text.size()) {
        start = text.find_first_not_of(" \t\r\n", start);
        if (start == std::string_view::npos)
            break;
        const std::size_t end = std::min(text.find_first_of(" \t\r\n", start), text.size());
        found.push_back(text.substr(start, end - start));
        start = end;
    }
    return found;
}

std::string to_lower(std::string_view text)
{
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(), lower);
    return result;
}

bool equals_ignoring_case(std::string_view a, std::string_view b)
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<std::uint64_t> parse_size(std::string_view text)
{
    constexpr std::string_view kUnits = "kMGT";
    std::uint64_t factor = 1;
    if (const auto at = text.empty() ? std::string_view::npos : kUnits.find(text.back());
        at != std::string_view::npos) {
        for (std::size_t i = 0; i <= at; ++i)
            factor *= 1000;
        text.remove_suffix(1);
    }
    const auto number = parse_number(text);
    if (!number || *number > UINT64_MAX / factor)
        return std::nullopt;
    return *number * factor;
}

std::string printable(std::string_view bytes)
{
    constexpr std::size_t kLongest = 80;
    std::string text;
    for (const char c : bytes.substr(0, kLongest)) {
        if (c >= ' ' && c <= '~')
            text += c;
        else
            text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    if (bytes.size() > kLongest)
        text += "...";
    return text;
}

std::string human_size(std::uint64_t bytes)
{
    if (bytes < 1000)
        return fmt::format("{} B", bytes);
    static constexpr const char* kUnits[] = {"kB", "MB", "GB", "TB", "PB"};
    double value = static_cast<double>(bytes) / 1000;
    std::size_t unit = 0;
    while (value >= 1000 && unit + 1 < std::size(kUnits)) {
        value /= 1000;
        ++unit;
    }
    return value < 10 ? fmt::format("{:.1f} {}", value, kUnits[unit])
                      : fmt::format("{:.0f} {}", value, kUnits[unit]);
}

std::string human_seconds(std::int64_t seconds)
{
    if (seconds < 120)
        return fmt::format("{} s", seconds);
    if (seconds < 2 * 3600)
        return fmt::format("{} min", seconds / 60);
    if (seconds < 2 * 86400)
        return fmt::format("{} h", seconds / 3600);
    return fmt::format("{} d", seconds / 86400);
}

}  // namespace aptward
