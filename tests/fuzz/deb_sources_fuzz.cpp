// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdlib>

#include "deb/deb.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view text(static_cast<const char*>(static_cast<const void*>(bytes)), size);
    const auto done = aptward::deb::scan_sources(text, [](const aptward::deb::PoolFile& file) {
        if (aptward::deb::clean_relative_path(file.path) != file.path)
            std::abort();
    });
    return done ? 0 : 0;
}
