// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/quiet.h"

#include <algorithm>
#include <ctime>
#include <optional>

#include "base/text.h"

namespace aptward::peer {
namespace {

constexpr int kDay = 24 * 60;

// "06:30", five characters.
std::optional<int> minute_of(std::string_view text)
{
    if (text.size() != 5 || text[2] != ':')
        return std::nullopt;
    const auto hours = parse_number<unsigned>(text.substr(0, 2));
    const auto minutes = parse_number<unsigned>(text.substr(3));
    if (!hours || !minutes || *minutes > 59)
        return std::nullopt;
    const auto minute = static_cast<int>(*hours * 60 + *minutes);
    return minute <= kDay ? std::optional(minute) : std::nullopt;
}

}  // namespace

Result<QuietHours> parse_quiet_hours(const std::string& text)
{
    const std::string_view all = text;
    const bool is_pair = all.size() == 11 && all[5] == '-';
    const auto from = is_pair ? minute_of(all.substr(0, 5)) : std::nullopt;
    const auto to = is_pair ? minute_of(all.substr(6)) : std::nullopt;
    if (!from || !to || from == to || *from == kDay)
        return fail(Errc::malformed,
                    "\"" + text + "\" are no hours of the day: write \"22:00-06:00\"");
    return QuietHours{*from, *to};
}

bool are_quiet(const std::vector<QuietHours>& hours, SystemTime now)
{
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    std::tm local{};
    ::localtime_r(&seconds, &local);
    return std::any_of(hours.begin(), hours.end(), [&](const QuietHours& one) {
        return one.contains(local.tm_hour * 60 + local.tm_min);
    });
}

}  // namespace aptward::peer
