// SPDX-License-Identifier: GPL-3.0-or-later
// A manifest names no file outside the folder, and reads the same when it is written again.
#include <cstdint>

#include "archive/export_manifest.h"
#include "base/check.h"

using namespace aptward;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string text(reinterpret_cast<const char*>(bytes), size);
    const auto manifest = archive::parse_manifest(text);
    if (!manifest)
        return 0;
    for (const std::string& path : manifest->files()) {
        const std::string bounded = "/" + path + "/";
        CHECK(path.front() != '/' && bounded.find("/../") == std::string::npos, "it stays inside");
    }
    const std::string written = to_json(*manifest);
    const auto again = archive::parse_manifest(written);
    CHECK(again && to_json(*again) == written, "it reads the same");
    return 0;
}
