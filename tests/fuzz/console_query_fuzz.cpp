// SPDX-License-Identifier: GPL-3.0-or-later
// A parameter of a query is what it was written as, with each byte percent-encoded or none that
// needs it; a number stays in its limits. Input: a name, a newline, a query.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "console/answers.h"

using namespace aptward;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view input(reinterpret_cast<const char*>(bytes), size);
    const std::size_t end = std::min(input.find('\n'), input.size());
    const std::string_view name = input.substr(0, end);
    const std::string_view query = input.substr(std::min(end + 1, input.size()));

    const std::int64_t number = console::number_parameter(query, name, 200, 1, 10'000);
    CHECK(number >= 1 && number <= 10'000, "a number stays in its limits");

    const auto value = console::parameter(query, name);
    if (!value)
        return 0;
    CHECK(value->size() <= query.size(), "decoding makes nothing longer");
    CHECK(name.find_first_of("&=") == name.npos, "a name ends at these");
    std::string encoded = "other=1&" + std::string(name) + "=";
    for (const char c : *value)
        encoded += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    CHECK(name == "other" || console::parameter(encoded + "&" + std::string(query), name) == value,
          "what is written reads the same, and the first one counts");
    return 0;
}
