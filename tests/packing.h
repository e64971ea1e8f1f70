// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Packed bytes for tests and benches, as archives make them.

#include <libdeflate.h>
#include <lzma.h>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace aptward {

inline std::string gzip(const std::string& plain, int level = 6)
{
    libdeflate_compressor* compressor = libdeflate_alloc_compressor(level);
    std::string packed(libdeflate_gzip_compress_bound(compressor, plain.size()), '\0');
    packed.resize(libdeflate_gzip_compress(compressor, plain.data(), plain.size(), packed.data(),
                                           packed.size()));
    libdeflate_free_compressor(compressor);
    return packed;
}

/// One block for each `block_bytes` of the plain text, with its sizes in front: what `xz -T` makes.
inline std::string xz(const std::string& plain, std::size_t block_bytes = 24 << 20)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_mt options{};
    options.threads = 1;
    options.block_size = block_bytes;
    options.preset = 0;
    options.check = LZMA_CHECK_CRC64;
    if (lzma_stream_encoder_mt(&stream, &options) != LZMA_OK)
        std::abort();
    std::string packed(plain.size() + plain.size() / 8 + 4096, '\0');
    stream.next_in = static_cast<const std::uint8_t*>(static_cast<const void*>(plain.data()));
    stream.avail_in = plain.size();
    stream.next_out = static_cast<std::uint8_t*>(static_cast<void*>(packed.data()));
    stream.avail_out = packed.size();
    lzma_ret code = LZMA_OK;
    while (code == LZMA_OK)
        code = lzma_code(&stream, LZMA_FINISH);
    if (code != LZMA_STREAM_END)
        std::abort();
    packed.resize(stream.total_out);
    lzma_end(&stream);
    return packed;
}

}  // namespace aptward
