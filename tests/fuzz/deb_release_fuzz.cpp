// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdlib>

#include "deb/deb.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view text(static_cast<const char*>(static_cast<const void*>(bytes)), size);
    const auto release = aptward::deb::parse_release(text);
    if (!release)
        return 0;
    for (const auto& [path, file] : release->files)
        if (file.digests.empty() || aptward::deb::clean_relative_path(path) != path)
            std::abort();
    return 0;
}
