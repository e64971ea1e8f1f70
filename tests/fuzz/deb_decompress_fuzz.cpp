// SPDX-License-Identifier: GPL-3.0-or-later
// The first byte chooses the format; whatever comes out stays below the limit (A4b).
#include <cstdlib>

#include "deb/deb.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    using aptward::deb::Compression;
    constexpr std::uint64_t kLimit = 1 << 20;
    constexpr Compression kKinds[] = {Compression::gz, Compression::xz, Compression::zst,
                                      Compression::bz2, Compression::lzma};
    if (size == 0)
        return 0;
    const std::string_view packed(static_cast<const char*>(static_cast<const void*>(bytes)) + 1,
                                  size - 1);
    const auto plain = aptward::deb::decompress(packed, kKinds[bytes[0] % 5], kLimit);
    if (plain && plain->size() > kLimit)
        std::abort();
    return 0;
}
