// SPDX-License-Identifier: GPL-3.0-or-later
// Range headers (RFC 9110 14). apt asks "bytes=N-" to resume; everything else is somebody else.
#include <algorithm>
#include <limits>

#include "base/text.h"
#include "http/message.h"

namespace aptward::http {
namespace {

// 1*DIGIT. A number too large for us is larger than any file, which is all that matters here.
std::optional<std::uint64_t> read_position(std::string_view digits)
{
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos)
        return std::nullopt;
    return parse_number(digits).value_or(std::numeric_limits<std::uint64_t>::max());
}

RangeDecision part(std::uint64_t first, std::uint64_t last)
{
    return {RangeAnswer::part, {first, last}};
}

// "-N": the last N bytes (RFC 9110 14.1.2). More than there are means all of them.
RangeDecision decide_suffix(std::string_view digits, std::uint64_t size_bytes)
{
    const std::optional<std::uint64_t> count = read_position(digits);
    if (!count)
        return {};
    if (*count == 0)
        return {RangeAnswer::unsatisfiable, {}};
    if (size_bytes == 0)
        return {};  // satisfiable by the letter, but Content-Range cannot name no bytes
    return part(size_bytes - std::min(*count, size_bytes), size_bytes - 1);
}

}  // namespace

RangeDecision decide_range(std::string_view range_header, std::uint64_t size_bytes)
{
    constexpr std::string_view kUnit = "bytes=";
    if (!equals_ignoring_case(range_header.substr(0, kUnit.size()), kUnit))
        return {};
    // A list ("0-,0-,...") would multiply the answer; a comma is no digit, so it ends up whole.
    const std::string_view spec = range_header.substr(kUnit.size());
    const std::size_t dash = spec.find('-');
    if (dash == std::string_view::npos)
        return {};
    if (dash == 0)
        return decide_suffix(spec.substr(1), size_bytes);
    const std::optional<std::uint64_t> first = read_position(spec.substr(0, dash));
    const std::string_view last_digits = spec.substr(dash + 1);
    const std::optional<std::uint64_t> last = last_digits.empty()
                                                  ? std::numeric_limits<std::uint64_t>::max()
                                                  : read_position(last_digits);
    if (!first || !last || *first > *last)
        return {};
    if (*first >= size_bytes)
        return {RangeAnswer::unsatisfiable, {}};
    return part(*first, std::min(*last, size_bytes - 1));
}

}  // namespace aptward::http
