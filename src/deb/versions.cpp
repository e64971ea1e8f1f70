// SPDX-License-Identifier: GPL-3.0-or-later
// The order of versions (Debian policy 5.6.12), as dpkg has it.
#include <algorithm>

#include "deb/deb.h"

namespace aptward::deb {
namespace {

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// '~' is before the end, letters are before everything else.
int weight(std::string_view text, std::size_t at)
{
    if (at >= text.size() || is_digit(text[at]))
        return 0;
    const char c = text[at];
    if (c == '~')
        return -1;
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return static_cast<unsigned char>(c) + (is_letter ? 0 : 256);
}

std::string_view take_number(std::string_view& rest)
{
    rest.remove_prefix(std::min(rest.find_first_not_of('0'), rest.size()));
    std::size_t digits = 0;
    while (digits < rest.size() && is_digit(rest[digits]))
        ++digits;
    const std::string_view number = rest.substr(0, digits);
    rest.remove_prefix(digits);
    return number;
}

// Upstream versions, or revisions: what is no number and what is one, in turn.
int compare_parts(std::string_view a, std::string_view b)
{
    while (!a.empty() || !b.empty()) {
        while ((!a.empty() && !is_digit(a.front())) || (!b.empty() && !is_digit(b.front()))) {
            if (const int difference = weight(a, 0) - weight(b, 0); difference != 0)
                return difference;
            a.remove_prefix(std::min<std::size_t>(1, a.size()));
            b.remove_prefix(std::min<std::size_t>(1, b.size()));
        }
        const std::string_view left = take_number(a), right = take_number(b);
        if (left.size() != right.size())
            return left.size() < right.size() ? -1 : 1;
        if (const int difference = left.compare(right); difference != 0)
            return difference;
    }
    return 0;
}

struct Version {
    std::string_view epoch, upstream, revision;
};

Version cut(std::string_view text)
{
    Version version;
    if (const std::size_t colon = text.find(':'); colon != text.npos) {
        version.epoch = text.substr(0, colon);
        text.remove_prefix(colon + 1);
    }
    const std::size_t dash = text.rfind('-');
    version.upstream = text.substr(0, dash);
    if (dash != text.npos)
        version.revision = text.substr(dash + 1);
    return version;
}

}  // namespace

int compare_versions(std::string_view a, std::string_view b)
{
    const Version left = cut(a), right = cut(b);
    if (const int epochs = compare_parts(left.epoch, right.epoch); epochs != 0)
        return epochs;
    if (const int upstreams = compare_parts(left.upstream, right.upstream); upstreams != 0)
        return upstreams;
    return compare_parts(left.revision, right.revision);
}

}  // namespace aptward::deb
