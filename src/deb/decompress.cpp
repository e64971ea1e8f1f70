// SPDX-License-Identifier: GPL-3.0-or-later
// Unpacking with a hard limit of output (A4b): a kilobyte may claim to be ten gigabytes.
//
// Every decoder writes into an Output, which grows geometrically and never beyond the limit, or is
// the caller's own and does not grow. At the limit it offers one last byte: a decoder that fills it
// has more to say than is allowed, and is stopped there. So a bomb costs at most the limit in
// memory, and time in proportion.
#include <bzlib.h>
#include <libdeflate.h>
#include <lzma.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>

#include "base/text.h"
#include "deb/deb.h"

namespace aptward::deb {
namespace {

constexpr std::uint64_t kLzmaMemory = 256ULL << 20;  // xz -9 needs 65 MiB
constexpr std::size_t kWorthThreads = 1U << 20;
constexpr int kZstdWindowLog = 27;  // 128 MiB: what zstd --ultra -22 uses
constexpr std::size_t kFirstOutput = 64U << 10;
constexpr std::size_t kStep = 1U << 20;       // between two words of progress
constexpr std::size_t kUsualExpansion = 4;    // measured: Packages.xz 5.6, Packages.gz 4.3
constexpr std::size_t kMostExpansion = 1032;  // of deflate (zlib's technical notes)

tl::unexpected<Error> fail_broken(const char* format)
{
    return fail(Errc::malformed, std::string("broken or truncated ") + format + " bytes");
}

class Output {
public:
    Output(std::uint64_t limit_bytes, std::size_t expected_bytes)
        : limit_(static_cast<std::size_t>(
              std::min<std::uint64_t>(limit_bytes, std::numeric_limits<std::ptrdiff_t>::max())))
    {
        bytes_.resize(std::min(limit_, std::max(expected_bytes, kFirstOutput)));
        room_ = bytes_;
    }
    Output(std::span<char> room, const UnpackProgress& progress)
        : limit_(room.size()), room_(room), progress_(&progress)
    {
    }

    /// Where the next bytes go; never empty.
    char* at()
    {
        if (used_ == room_.size() && !grow())
            return &excess_;
        return room_.data() + used_;
    }
    std::size_t room() const
    {
        const std::size_t left = used_ < room_.size() ? room_.size() - used_ : 1;
        return progress_ != nullptr ? std::min(left, kStep) : left;
    }

    /// Takes note that a decoder wrote so many bytes at at(). False beyond the limit.
    bool advance(std::size_t count)
    {
        used_ += count;
        if (used_ > room_.size())
            return false;
        if (progress_ != nullptr)
            (*progress_)(used_);
        return true;
    }

    /// Doubles the room; false at the limit. std::string's own growth would double past the limit.
    bool grow()
    {
        if (room_.size() == limit_)
            return false;
        std::string larger;
        larger.reserve(bytes_.size() > limit_ / 2 ? limit_ : bytes_.size() * 2);
        larger.append(bytes_, 0, used_);
        larger.resize(bytes_.size() > limit_ / 2 ? limit_ : bytes_.size() * 2);
        bytes_ = std::move(larger);
        room_ = bytes_;
        return true;
    }

    // For libdeflate, which wants all the room of a member at once, be it none.
    char* exact_at() { return room_.data() + used_; }
    std::size_t exact_room() const { return room_.size() - used_; }

    tl::unexpected<Error> fail_excess() const
    {
        return fail(Errc::malformed, "it unpacks to more than the allowed " + human_size(limit_));
    }

    bool is_full() const { return used_ == limit_; }

    std::string take() &&
    {
        bytes_.resize(used_);
        return std::move(bytes_);
    }

private:
    std::size_t limit_;
    std::size_t used_ = 0;
    std::string bytes_;  // when the room is our own
    std::span<char> room_;
    const UnpackProgress* progress_ = nullptr;
    char excess_ = 0;
};

struct LzmaEnd {
    void operator()(lzma_stream* stream) const { lzma_end(stream); }
};

Result<void> unpack_lzma(std::string_view bytes, Compression format, Output& output)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    const std::unique_ptr<lzma_stream, LzmaEnd> owner(&stream);
    lzma_ret code = LZMA_OK;
    if (format == Compression::lzma) {
        code = lzma_alone_decoder(&stream, kLzmaMemory);
    } else if (bytes.size() < kWorthThreads) {
        code = lzma_stream_decoder(&stream, kLzmaMemory, LZMA_CONCATENATED);
    } else {
        // The large indexes of the archives are made by several threads: blocks of 24 MiB that
        // unpack side by side. Where there is one block, or no memory, this works as the other.
        lzma_mt side_by_side{};
        side_by_side.flags = LZMA_CONCATENATED;
        side_by_side.threads = 2;
        side_by_side.memlimit_threading = kLzmaMemory;
        side_by_side.memlimit_stop = kLzmaMemory;
        code = lzma_stream_decoder_mt(&stream, &side_by_side);
    }
    stream.next_in = reinterpret_cast<const std::uint8_t*>(bytes.data());
    stream.avail_in = bytes.size();
    while (code == LZMA_OK) {
        stream.next_out = reinterpret_cast<std::uint8_t*>(output.at());
        stream.avail_out = output.room();
        const std::size_t room = stream.avail_out;
        code = lzma_code(&stream, LZMA_FINISH);
        if (!output.advance(room - stream.avail_out))
            return output.fail_excess();
    }
    if (code == LZMA_MEM_ERROR)
        throw std::bad_alloc();
    if (code == LZMA_MEMLIMIT_ERROR)
        return fail(Errc::malformed, "it needs more than 256 MiB of memory to unpack");
    if (code != LZMA_STREAM_END || stream.avail_in != 0)
        return fail_broken(format == Compression::xz ? "xz" : "lzma");
    return {};
}

struct DeflateEnd {
    void operator()(libdeflate_decompressor* decoder) const
    {
        libdeflate_free_decompressor(decoder);
    }
};

// RFC 1952 2.2: a gzip file is one member after another.
Result<void> unpack_gz(std::string_view bytes, Output& output)
{
    const std::unique_ptr<libdeflate_decompressor, DeflateEnd> decoder(
        libdeflate_alloc_decompressor());
    if (!decoder)
        throw std::bad_alloc();
    do {
        std::size_t eaten = 0;
        std::size_t written = 0;
        const auto code =
            libdeflate_gzip_decompress_ex(decoder.get(), bytes.data(), bytes.size(),
                                          output.exact_at(), output.exact_room(), &eaten, &written);
        if (code == LIBDEFLATE_INSUFFICIENT_SPACE) {
            if (!output.grow())
                return output.fail_excess();
            continue;
        }
        if (code != LIBDEFLATE_SUCCESS || eaten == 0)
            return fail_broken("gzip");
        output.advance(written);
        bytes.remove_prefix(eaten);
    } while (!bytes.empty());
    return {};
}

// RFC 1952 2.3.1: ISIZE, the last member's size modulo 2^32. A hint: it may lie.
std::size_t gz_size_hint(std::string_view bytes)
{
    if (bytes.size() < 18)
        return 0;
    std::size_t size = 0;
    for (std::size_t i = 1; i <= 4; ++i)
        size = size << 8 | static_cast<unsigned char>(bytes[bytes.size() - i]);
    return std::min(size, bytes.size() * kMostExpansion);
}

struct ZstdEnd {
    void operator()(ZSTD_DCtx* decoder) const { ZSTD_freeDCtx(decoder); }
};

Result<void> unpack_zst(std::string_view bytes, Output& output)
{
    const std::unique_ptr<ZSTD_DCtx, ZstdEnd> decoder(ZSTD_createDCtx());
    if (!decoder)
        throw std::bad_alloc();
    ZSTD_DCtx_setParameter(decoder.get(), ZSTD_d_windowLogMax, kZstdWindowLog);
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    std::size_t left = 1;  // 0 at the end of a frame (zstd.h, ZSTD_decompressStream)
    bool has_filled = false;
    while (in.pos < in.size || (left != 0 && has_filled)) {
        char* const at = output.at();
        ZSTD_outBuffer out{at, output.room(), 0};
        left = ZSTD_decompressStream(decoder.get(), &out, &in);
        if (ZSTD_isError(left) != 0)
            return fail_broken("zstd");
        if (!output.advance(out.pos))
            return output.fail_excess();
        has_filled = out.pos == out.size;
    }
    if (left != 0)
        return fail_broken("zstd");
    return {};
}

struct Bz2End {
    void operator()(bz_stream* stream) const { BZ2_bzDecompressEnd(stream); }
};

// One stream; cuts off `bytes` what it ate.
Result<void> unpack_bz2_stream(std::string_view& bytes, Output& output)
{
    constexpr std::size_t kMostAtOnce = 1U << 30;  // the library counts in unsigned int
    bz_stream stream{};
    if (BZ2_bzDecompressInit(&stream, 0, 0) != BZ_OK)
        throw std::bad_alloc();
    const std::unique_ptr<bz_stream, Bz2End> owner(&stream);
    for (int code = BZ_OK; code != BZ_STREAM_END;) {
        const std::size_t given = std::min(bytes.size(), kMostAtOnce);
        stream.next_in = const_cast<char*>(bytes.data());  // it only reads
        stream.avail_in = static_cast<unsigned>(given);
        stream.next_out = output.at();
        const std::size_t room = std::min(output.room(), kMostAtOnce);
        stream.avail_out = static_cast<unsigned>(room);
        code = BZ2_bzDecompress(&stream);
        const std::size_t eaten = given - stream.avail_in;
        const std::size_t written = room - stream.avail_out;
        bytes.remove_prefix(eaten);
        if (!output.advance(written))
            return output.fail_excess();
        const bool is_stuck = code == BZ_OK && eaten == 0 && written == 0;
        if ((code != BZ_OK && code != BZ_STREAM_END) || is_stuck)
            return fail_broken("bzip2");
    }
    return {};
}

Result<void> unpack_bz2(std::string_view bytes, Output& output)
{
    do {
        TRY_VOID(unpack_bz2_stream(bytes, output));
    } while (!bytes.empty());
    return {};
}

Result<void> unpack(std::string_view bytes, Compression compression, Output& output)
{
    switch (compression) {
        case Compression::gz:
            return unpack_gz(bytes, output);
        case Compression::xz:
        case Compression::lzma:
            return unpack_lzma(bytes, compression, output);
        case Compression::zst:
            return unpack_zst(bytes, output);
        case Compression::bz2:
            return unpack_bz2(bytes, output);
        case Compression::none:
            break;
    }
    return {};
}

}  // namespace

Result<std::string> decompress(std::string_view bytes, Compression compression,
                               std::uint64_t limit_bytes)
{
    if (compression == Compression::none) {
        if (bytes.size() > limit_bytes)
            return fail(Errc::malformed,
                        "it is larger than the allowed " + human_size(limit_bytes));
        return std::string(bytes);
    }
    if (bytes.empty())
        return fail(Errc::malformed, "there are no compressed bytes");
    const std::size_t expected =
        compression == Compression::gz ? gz_size_hint(bytes) : bytes.size() * kUsualExpansion;
    Output output(limit_bytes, expected);
    TRY_VOID(unpack(bytes, compression, output));
    return std::move(output).take();
}

Result<void> decompress_exactly(std::string_view bytes, Compression compression,
                                std::span<char> room, const UnpackProgress& progress)
{
    if (bytes.empty())
        return fail(Errc::malformed, "there are no compressed bytes");
    Output output(room, progress);
    TRY_VOID(unpack(bytes, compression, output));
    if (!output.is_full())
        return fail(Errc::malformed, "it unpacks to less than " + human_size(room.size()));
    return {};
}

}  // namespace aptward::deb
