// SPDX-License-Identifier: GPL-3.0-or-later
// What machines report of themselves: whatever is taken reads the same when it is written again.
#include <cstdint>

#include "base/check.h"
#include "input.h"
#include "stock/machines.h"

using namespace aptward;

namespace {

void check_report(std::string_view text)
{
    const auto report = stock::parse_report(text);
    if (!report)
        return;
    CHECK(stock::is_machine_name(report->name), "its name is a file's name");
    const std::string written = to_json(*report);
    const auto again = stock::parse_report(written);
    CHECK(again && to_json(*again) == written, "it reads the same");
}

void check_status(std::string_view text)
{
    const std::string trimmed = stock::trim_status(text);
    CHECK(stock::trim_status(trimmed) == trimmed, "what is trimmed stays");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    return fuzz::choose(bytes, size, check_report, check_status);
}
