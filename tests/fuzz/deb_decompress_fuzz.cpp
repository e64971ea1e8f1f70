// SPDX-License-Identifier: GPL-3.0-or-later
// The first byte chooses the format; whatever comes out stays below the limit (A4b).
#include <cstdlib>
#include <string>

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
    // Into a room of the right size the same comes out, into any other nothing.
    const auto fits = [&](std::size_t room_bytes) {
        std::string room(room_bytes, '\0');
        const auto done = aptward::deb::decompress_exactly(packed, kKinds[bytes[0] % 5], room,
                                                           [](std::size_t) {});
        return done && plain && room == *plain;
    };
    if (plain && (!fits(plain->size()) || fits(plain->size() + 1)))
        std::abort();
    return 0;
}
