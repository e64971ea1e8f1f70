// SPDX-License-Identifier: GPL-3.0-or-later
// HTTP dates (RFC 9110 5.6.7), without locale and without strftime. apt compares them as text in
// If-Range, so what is printed here must never vary.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/text.h"
#include "http/message.h"

namespace aptward::http {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Eats the text from its front; the first thing that does not fit makes the whole a failure.
class Eater {
public:
    explicit Eater(std::string_view text) : text_(text) {}

    void literal(std::string_view expected)
    {
        if (!text_.starts_with(expected))
            is_good_ = false;
        else
            text_.remove_prefix(expected.size());
    }

    /// Exactly so many digits.
    int number(std::size_t digits)
    {
        const std::string_view field = text_.substr(0, digits);
        text_.remove_prefix(field.size());
        const auto value = parse_number<int>(field);
        is_good_ = is_good_ && field.size() == digits && value;
        return value.value_or(0);
    }

    /// Two digits, or a blank and a digit (asctime).
    int padded_number()
    {
        if (!text_.starts_with(' '))
            return number(2);
        text_.remove_prefix(1);
        return number(1);
    }

    /// The place of the name that comes next; of each name only `letters` are written.
    template <std::size_t kCount>
    unsigned name(const std::array<std::string_view, kCount>& names, std::size_t letters)
    {
        for (unsigned i = 0; i < kCount; ++i) {
            const std::string_view wanted = names[i].substr(0, letters);
            if (text_.starts_with(wanted)) {
                text_.remove_prefix(wanted.size());
                return i;
            }
        }
        is_good_ = false;
        return 0;
    }

    std::chrono::seconds time_of_day()
    {
        const int hour = number(2);
        literal(":");
        const int minute = number(2);
        literal(":");
        const int second = number(2);
        // A leap second (:60) has no place in SystemTime; nobody publishes in it.
        is_good_ = is_good_ && hour < 24 && minute < 60 && second < 60;
        return std::chrono::hours(hour) + std::chrono::minutes(minute) +
               std::chrono::seconds(second);
    }

    bool is_done() const { return is_good_ && text_.empty(); }

private:
    std::string_view text_;
    bool is_good_ = true;
};

struct Fields {
    unsigned weekday = 0, month = 0;
    int day = 0, year = 0;
    std::chrono::seconds time{};
};

// Nothing for a day that does not exist or falls on another weekday: a date that contradicts
// itself proves nothing about a copy.
std::optional<SystemTime> to_time(const Fields& fields)
{
    const std::chrono::year_month_day date(std::chrono::year(fields.year),
                                           std::chrono::month(fields.month + 1),
                                           std::chrono::day(static_cast<unsigned>(fields.day)));
    if (!date.ok())
        return std::nullopt;
    const std::chrono::sys_days day(date);
    if (std::chrono::weekday(day).c_encoding() != fields.weekday)
        return std::nullopt;
    return day + fields.time;
}

// Sun, 06 Nov 1994 08:49:37 GMT
std::optional<SystemTime> parse_imf_fixdate(std::string_view text)
{
    Eater eater(text);
    Fields fields;
    fields.weekday = eater.name(kDays, 3);
    eater.literal(", ");
    fields.day = eater.number(2);
    eater.literal(" ");
    fields.month = eater.name(kMonths, 3);
    eater.literal(" ");
    fields.year = eater.number(4);
    eater.literal(" ");
    fields.time = eater.time_of_day();
    eater.literal(" GMT");
    return eater.is_done() ? to_time(fields) : std::nullopt;
}

// Sunday, 06-Nov-94 08:49:37 GMT. The same day of two neighbouring centuries never falls on the
// same weekday (36524 and 36525 are no multiples of 7), so the weekday tells which is meant and
// the rule of the RFC, which needs the present year, is not needed.
std::optional<SystemTime> parse_rfc850_date(std::string_view text)
{
    Eater eater(text);
    Fields fields;
    fields.weekday = eater.name(kDays, std::string_view::npos);
    eater.literal(", ");
    fields.day = eater.number(2);
    eater.literal("-");
    fields.month = eater.name(kMonths, 3);
    eater.literal("-");
    fields.year = 1900 + eater.number(2);
    eater.literal(" ");
    fields.time = eater.time_of_day();
    eater.literal(" GMT");
    if (!eater.is_done())
        return std::nullopt;
    if (const auto time = to_time(fields))
        return time;
    fields.year += 100;
    return to_time(fields);
}

// Sun Nov  6 08:49:37 1994
std::optional<SystemTime> parse_asctime_date(std::string_view text)
{
    Eater eater(text);
    Fields fields;
    fields.weekday = eater.name(kDays, 3);
    eater.literal(" ");
    fields.month = eater.name(kMonths, 3);
    eater.literal(" ");
    fields.day = eater.padded_number();
    eater.literal(" ");
    fields.time = eater.time_of_day();
    eater.literal(" ");
    fields.year = eater.number(4);
    return eater.is_done() ? to_time(fields) : std::nullopt;
}

}  // namespace

std::string format_http_date(SystemTime time)
{
    using namespace std::chrono;
    // Four digits of year are all the format has; times beyond them become its ends.
    constexpr SystemTime kFirst = sys_days(year(0) / January / 1);
    constexpr SystemTime kLast = sys_days(year(10000) / January / 1) - seconds(1);
    time = std::clamp(time, kFirst, kLast);
    const sys_days day = floor<days>(time);
    const year_month_day date(day);
    const hh_mm_ss clock(time - day);
    return fmt::format(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[weekday(day).c_encoding()].substr(0, 3),
        static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
        static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
        clock.seconds().count());
}

std::optional<SystemTime> parse_http_date(std::string_view text)
{
    if (const auto time = parse_imf_fixdate(text))
        return time;
    if (const auto time = parse_rfc850_date(text))
        return time;
    return parse_asctime_date(text);
}

}  // namespace aptward::http
