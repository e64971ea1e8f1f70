// SPDX-License-Identifier: GPL-3.0-or-later
#include "catalog/timeline.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <ctime>

namespace aptward::catalog {

void note_published(Timeline& timeline, Published published)
{
    const auto known = std::find_if(timeline.begin(), timeline.end(), [&](const Published& one) {
        return one.release == published.release;
    });
    if (known != timeline.end()) {
        published.published = known->published;
        timeline.erase(known);
    }
    timeline.push_back(std::move(published));
}

const Published* find_at(const Timeline& timeline, SystemTime time, SystemTime known)
{
    const Published* found = nullptr;
    for (const Published& one : timeline)
        if (one.date <= time && one.published <= known &&
            (found == nullptr || one.date >= found->date))
            found = &one;
    return found;
}

const Published* find_at(const Timeline& shown, const Timeline& from_hosts, SystemTime time,
                         SystemTime known)
{
    const Published* ours = find_at(shown, time, known);
    const Published* theirs = find_at(from_hosts, time, known);
    return ours == nullptr || (theirs != nullptr && theirs->date > ours->date) ? theirs : ours;
}

bool is_known_at(const Timeline& shown, const Timeline& from_hosts, SystemTime time,
                 SystemTime known)
{
    if (find_at(shown, time, known) != nullptr)
        return true;
    const Published* theirs = find_at(from_hosts, time, known);
    return theirs != nullptr && theirs->stood_at && time <= *theirs->stood_at;
}

void note_from_host(Timeline& from_hosts, Published published)
{
    const auto known =
        std::find_if(from_hosts.begin(), from_hosts.end(),
                     [&](const Published& one) { return one.release == published.release; });
    if (known == from_hosts.end())
        from_hosts.push_back(std::move(published));
    else
        known->stood_at = std::max(known->stood_at, published.stood_at);
}

const Published* find_shown(const Timeline& timeline, SystemTime time)
{
    const Published* found = timeline.empty() ? nullptr : &timeline.front();
    for (const Published& one : timeline)
        if (one.published <= time)
            found = &one;
    return found;
}

std::string format_stamp(SystemTime time)
{
    return fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(static_cast<std::time_t>(to_unix(time))));
}

std::optional<SystemTime> parse_stamp(std::string_view text)
{
    constexpr std::string_view kForm = "ddddddddTddddddZ", kMidnight = "T000000Z";
    std::string whole(text);
    if (text.size() + kMidnight.size() == kForm.size())
        text = whole += kMidnight;
    if (text.size() != kForm.size())
        return std::nullopt;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (kForm[i] == 'd' ? !is_digit : text[i] != kForm[i])
            return std::nullopt;
    }
    const auto number = [&](std::size_t at, std::size_t digits) {
        unsigned value = 0;
        for (const char c : text.substr(at, digits))
            value = value * 10 + static_cast<unsigned>(c - '0');
        return value;
    };
    const std::chrono::year_month_day day(std::chrono::year(static_cast<int>(number(0, 4))),
                                          std::chrono::month(number(4, 2)),
                                          std::chrono::day(number(6, 2)));
    const unsigned hours = number(9, 2), minutes = number(11, 2), seconds = number(13, 2);
    if (!day.ok() || hours > 23 || minutes > 59 || seconds > 59)
        return std::nullopt;
    return SystemTime(std::chrono::sys_days(day)) + std::chrono::hours(hours) +
           std::chrono::minutes(minutes) + std::chrono::seconds(seconds);
}

}  // namespace aptward::catalog
