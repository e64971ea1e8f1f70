// SPDX-License-Identifier: GPL-3.0-or-later
// A segment of the delivery record never gives text that is not in it, and accounts for its bytes.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "store/deliveries.h"

using namespace aptward::store;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view segment(reinterpret_cast<const char*>(bytes), size);
    std::uint64_t count = 0;
    const auto is_inside = [&](std::string_view text) {
        return text.empty() || (text.data() >= segment.data() &&
                                text.data() + text.size() <= segment.data() + segment.size());
    };
    const auto reading = read_segment(segment, [&](const Delivery& delivery) {
        ++count;
        if (!is_inside(delivery.client) || !is_inside(delivery.path) ||
            !is_inside(delivery.digest) || !is_inside(delivery.source))
            std::abort();
    });
    if (reading && (reading->deliveries != count ||
                    reading->damaged_bytes + reading->torn_bytes > segment.size()))
        std::abort();
    return 0;
}
