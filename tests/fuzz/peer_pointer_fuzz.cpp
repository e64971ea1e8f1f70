// SPDX-License-Identifier: GPL-3.0-or-later
// A head pointer as the DHT gives it. What is read is written as one that reads the same, and none
// is written that an item has no room for.
#include "base/check.h"
#include "input.h"
#include "peer/pointer.h"

using namespace aptward;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    const auto pointer = peer::parse_pointer(text);
    if (!pointer)
        return 0;
    CHECK(pointer->places.size() <= peer::kMostPlaces, "bounded");
    const std::string written = to_text(*pointer);
    const auto again = peer::parse_pointer(written);
    CHECK(written.size() <= peer::kMostPointerBytes && again && *again == *pointer,
          "it is written as it reads");
    return 0;
}
