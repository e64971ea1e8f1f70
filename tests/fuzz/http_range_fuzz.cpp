// SPDX-License-Identifier: GPL-3.0-or-later
// A part lies inside the file, whatever was asked. Input: eight bytes of size, then the header.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "http/message.h"

using namespace aptward::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    std::uint64_t file_bytes = 0;
    if (size < sizeof file_bytes)
        return 0;
    std::memcpy(&file_bytes, bytes, sizeof file_bytes);
    const std::string_view header(reinterpret_cast<const char*>(bytes) + sizeof file_bytes,
                                  size - sizeof file_bytes);
    const RangeDecision decision = decide_range(header, file_bytes);
    if (decision.answer == RangeAnswer::part &&
        (decision.range.first > decision.range.last || decision.range.last >= file_bytes))
        std::abort();
    if (decision.answer != RangeAnswer::whole && header.find(',') != std::string_view::npos)
        std::abort();
    return 0;
}
