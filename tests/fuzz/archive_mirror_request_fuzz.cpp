// SPDX-License-Identifier: GPL-3.0-or-later
// What is asked of a mirror job reads the same when it is written again.
#include <cstdint>

#include "archive/mirror_job.h"
#include "base/check.h"

using namespace aptward;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    const auto request = archive::parse_mirror_request(text);
    if (!request)
        return 0;
    CHECK(!request->archive.empty(), "an archive is named");
    const std::string written = to_json(*request);
    const auto again = archive::parse_mirror_request(written);
    CHECK(again && to_json(*again) == written, "it reads the same");
    return 0;
}
