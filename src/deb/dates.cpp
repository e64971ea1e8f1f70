// SPDX-License-Identifier: GPL-3.0-or-later
// Dates of Release files: RFC 5322 3.3 as archives really write it (archive-reality 5). Without
// locale and without strptime: what is accepted here must not depend on the machine.
#include <fmt/format.h>

#include <array>
#include <chrono>

#include "base/text.h"
#include "deb/deb.h"
#include "deb/line.h"

namespace aptward::deb {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 5> kZones = {"UTC", "GMT", "Z", "+0000", "-0000"};

template <std::size_t kCount>
std::optional<unsigned> place_of(const std::array<std::string_view, kCount>& names,
                                 std::string_view word)
{
    for (unsigned i = 0; i < kCount; ++i)
        if (equals_ignoring_case(names[i], word))
            return i;
    return std::nullopt;
}

// Digits only, at least `fewest` and at most `most` of them.
std::optional<int> number(std::string_view word, std::size_t fewest, std::size_t most)
{
    if (word.size() < fewest || word.size() > most)
        return std::nullopt;
    return parse_number<int>(word);
}

// "7:49:53" or "07:49:53"; a blank that pads the hour is gone with the other blanks.
std::optional<std::chrono::seconds> parse_time_of_day(std::string_view word)
{
    const std::size_t first = word.find(':');
    const std::size_t second = first == word.npos ? word.npos : word.find(':', first + 1);
    if (second == word.npos)
        return std::nullopt;
    const auto hour = number(word.substr(0, first), 1, 2);
    const auto minute = number(word.substr(first + 1, second - first - 1), 2, 2);
    const auto second_of = number(word.substr(second + 1), 2, 2);
    if (!hour || !minute || !second_of || *hour > 23 || *minute > 59 || *second_of > 59)
        return std::nullopt;
    return std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
           std::chrono::seconds(*second_of);
}

std::optional<SystemTime> parse_date(std::string_view rest)
{
    std::string_view word = next_word(rest);
    if (!word.empty() && word.back() == ',') {
        word.remove_suffix(1);
        if (!place_of(kDays, word))
            return std::nullopt;
        word = next_word(rest);
    }
    const auto day = number(word, 1, 2);
    const auto month = place_of(kMonths, next_word(rest));
    const auto year = number(next_word(rest), 4, 4);
    const auto time = parse_time_of_day(next_word(rest));
    const auto zone = place_of(kZones, next_word(rest));
    if (!day || !month || !year || !time || !zone || !next_word(rest).empty() || *year < 1970)
        return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(*month + 1),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok())
        return std::nullopt;
    return std::chrono::sys_days(date) + *time;
}

}  // namespace

Result<SystemTime> parse_release_date(std::string_view text)
{
    if (const auto time = parse_date(text))
        return *time;
    return fail(Errc::malformed, "\"" + printable(text) + "\" is not a date in UTC");
}

std::string format_release_date(SystemTime time)
{
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    return fmt::format(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} UTC", kDays[std::chrono::weekday(day).c_encoding()],
        static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
        static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
        clock.seconds().count());
}

}  // namespace aptward::deb
