// SPDX-License-Identifier: GPL-3.0-or-later
// Moments as people write them.
#include <cstdio>
#include <ctime>

#include "base/text.h"
#include "catalog/timeline.h"
#include "cli/commands.h"

namespace aptward::cli {
namespace {

std::optional<std::int64_t> seconds_of_unit(char unit)
{
    switch (unit) {
        case 's':
            return 1;
        case 'm':
            return 60;
        case 'h':
            return 3600;
        case 'd':
            return 86400;
        default:
            return std::nullopt;
    }
}

// The 31st of February is the 3rd of March to timegm().
bool is_in_calendar(std::tm parts)
{
    const std::tm meant = parts;
    ::timegm(&parts);
    return parts.tm_mday == meant.tm_mday && parts.tm_mon == meant.tm_mon &&
           parts.tm_hour == meant.tm_hour && parts.tm_min == meant.tm_min &&
           parts.tm_sec == meant.tm_sec;
}

}  // namespace

std::optional<std::int64_t> parse_moment(const std::string& text, std::int64_t now)
{
    if (!text.empty())
        if (const auto unit = seconds_of_unit(text.back()))
            if (const auto count = parse_number<std::uint32_t>(text.substr(0, text.size() - 1)))
                return now - *unit * std::int64_t{*count};
    for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"}) {
        std::tm parts{};
        const char* end = ::strptime(text.c_str(), format, &parts);
        if (end != nullptr && *end == '\0' && is_in_calendar(parts))
            return ::timegm(&parts);
    }
    if (const auto stamp = catalog::parse_stamp(text))
        return to_unix(*stamp);
    return std::nullopt;
}

int wrong_moment(const char* option, const std::string& text)
{
    std::fprintf(stderr,
                 "aptward: %s \"%s\" is no time: write 2026-04-30, 2026-04-30T10:15:00Z (UTC), or "
                 "2h for two hours ago\n",
                 option, text.c_str());
    return kUsage;
}

}  // namespace aptward::cli
