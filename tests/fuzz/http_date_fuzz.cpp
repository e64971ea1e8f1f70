// SPDX-License-Identifier: GPL-3.0-or-later
// Printing undoes reading: what is read prints as a date that reads as the same time, and an
// IMF-fixdate prints as itself. Eight bytes are also taken as a time and printed.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "http/message.h"

using namespace aptward;

namespace {

void require(bool holds)
{
    if (!holds)
        std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    if (const auto time = http::parse_http_date(text)) {
        const std::string printed = http::format_http_date(*time);
        require(http::parse_http_date(printed) == time);
        if (text.size() == printed.size() && text[3] == ',')
            require(text == printed);
    }
    std::int64_t seconds = 0;
    if (size == sizeof seconds) {
        std::memcpy(&seconds, bytes, sizeof seconds);
        const std::string printed = http::format_http_date(from_unix(seconds));
        const auto again = http::parse_http_date(printed);
        require(again && http::format_http_date(*again) == printed);
    }
    return 0;
}
