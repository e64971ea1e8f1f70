// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a trace says, silence and service take turns, and none is endless.
#include <algorithm>
#include <cstdint>

#include "archive/outage_trace.h"
#include "base/check.h"

using namespace aptward;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    const auto trace = archive::parse_outage_trace(text);
    if (!trace)
        return 0;
    CHECK(!trace->down.empty(), "something was down");
    CHECK(trace->up.size() <= trace->down.size() && trace->up.size() + 1 >= trace->down.size(),
          "one follows the other");
    for (const auto* list : {&trace->down, &trace->up})
        CHECK(std::all_of(list->begin(), list->end(),
                          [](std::chrono::minutes one) {
                              return one.count() >= 1 && one <= archive::kLongestPhase;
                          }),
              "each has an end");
    return 0;
}
