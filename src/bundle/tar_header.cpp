// SPDX-License-Identifier: GPL-3.0-or-later
#include "bundle/tar_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/check.h"

namespace aptward::bundle {
namespace {

constexpr std::size_t kNameBytes = 100;
constexpr std::size_t kSizeAt = 124, kTimeAt = 136, kNumberBytes = 11;
constexpr std::size_t kSumAt = 148;

void put(std::string& header, std::size_t at, std::string_view text)
{
    header.replace(at, text.size(), text);
}

// Exactly so many octal digits and a NUL: what put_number wrote.
std::optional<std::uint64_t> number_at(std::string_view header, std::size_t at)
{
    std::uint64_t number = 0;
    for (const char c : header.substr(at, kNumberBytes)) {
        if (c < '0' || c > '7')
            return std::nullopt;
        number = number << 3 | static_cast<unsigned>(c - '0');
    }
    return number;
}

}  // namespace

std::string make_tar_header(std::string_view name, std::uint64_t size_bytes, SystemTime time)
{
    CHECK(name.size() <= kNameBytes && size_bytes <= kLargestMember,
          "names are short, and larger members were refused");
    const auto seconds = std::clamp<std::int64_t>(to_unix(time), 0, (1LL << 33) - 1);
    std::string header(kTarBlock, '\0');
    put(header, 0, name);
    put(header, 100, "0000644");
    put(header, 108, "0000000");  // user and group
    put(header, 116, "0000000");
    put(header, kSizeAt, fmt::format("{:011o}", size_bytes));
    put(header, kTimeAt, fmt::format("{:011o}", seconds));
    put(header, kSumAt, "        ");  // counts as blanks in its own sum
    put(header, 156, "0");
    put(header, 257,
        std::string_view("ustar\0"
                         "00",
                         8));
    put(header, 265, "root");
    put(header, 297, "root");
    unsigned sum = 0;
    for (const char c : header)
        sum += static_cast<unsigned char>(c);
    put(header, kSumAt, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    return header;
}

Result<std::uint64_t> size_in_tar_header(std::string_view header, std::string_view name)
{
    const bool is_whole = header.size() == kTarBlock;
    const auto size = is_whole ? number_at(header, kSizeAt) : std::nullopt;
    const auto time = is_whole ? number_at(header, kTimeAt) : std::nullopt;
    if (!size || !time ||
        header != make_tar_header(name, *size, from_unix(static_cast<std::int64_t>(*time))))
        return fail(Errc::malformed, "it does not begin with " + std::string(name));
    return *size;
}

}  // namespace aptward::bundle
