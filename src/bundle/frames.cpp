// SPDX-License-Identifier: GPL-3.0-or-later
#include "bundle/frames.h"

#include <zstd.h>

#include <algorithm>

#include "base/check.h"

namespace aptward::bundle {
namespace {

constexpr std::uint32_t kSkippable = 0x184D2A5E;
constexpr std::uint32_t kSeekable = 0x8F92EAB1;
constexpr std::size_t kHeaderBytes = 8, kEntryBytes = 8;

void put_u32(std::string& bytes, std::uint64_t number)
{
    for (const int shift : {0, 8, 16, 24})
        bytes += static_cast<char>(number >> shift & 0xff);
}

std::uint32_t u32_at(std::string_view bytes, std::size_t at)
{
    std::uint32_t number = 0;
    for (std::size_t i = 4; i-- > 0;)
        number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
    return number;
}

tl::unexpected<Error> refuse(const char* why)
{
    return fail(Errc::malformed, why);
}

}  // namespace

void SeekTable::add(std::uint64_t packed_bytes, std::uint64_t bytes)
{
    Frame frame{0, packed_bytes, 0, bytes};
    if (!frames_.empty()) {
        frame.at = frames_.back().at + frames_.back().packed_bytes;
        frame.from = frames_.back().from + frames_.back().bytes;
    }
    frames_.push_back(frame);
}

std::string SeekTable::to_bytes() const
{
    std::string bytes;
    put_u32(bytes, kSkippable);
    put_u32(bytes, frames_.size() * kEntryBytes + kFooterBytes);
    for (const Frame& frame : frames_) {
        put_u32(bytes, frame.packed_bytes);
        put_u32(bytes, frame.bytes);
    }
    put_u32(bytes, frames_.size());
    bytes += '\0';  // descriptor: no checksums
    put_u32(bytes, kSeekable);
    return bytes;
}

Result<std::uint64_t> SeekTable::size_from(std::string_view footer)
{
    if (footer.size() != kFooterBytes || u32_at(footer, 5) != kSeekable)
        return refuse("the table at its end is not there");
    const std::uint64_t count = u32_at(footer, 0);
    if (footer[4] != 0)
        return refuse("the table at its end is of another kind");
    if (count == 0 || count > kMostFrames)
        return refuse("the table at its end has an impossible size");
    return kHeaderBytes + count * kEntryBytes + kFooterBytes;
}

Result<SeekTable> SeekTable::parse(std::string_view table, std::uint64_t file_bytes)
{
    if (table.size() < kHeaderBytes + kFooterBytes || table.size() > file_bytes)
        return refuse("the table at its end is cut short");
    TRY(const std::uint64_t size, size_from(table.substr(table.size() - kFooterBytes)));
    if (size != table.size() || u32_at(table, 0) != kSkippable ||
        u32_at(table, 4) != size - kHeaderBytes)
        return refuse("the table at its end is damaged");
    SeekTable parsed;
    const std::size_t count = (table.size() - kHeaderBytes - kFooterBytes) / kEntryBytes;
    parsed.frames_.reserve(count);
    std::uint64_t packed_bytes = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t at = kHeaderBytes + i * kEntryBytes;
        const std::uint64_t packed = u32_at(table, at), bytes = u32_at(table, at + 4);
        if (bytes == 0 || bytes > kMaxFrameBytes || packed > ZSTD_compressBound(kMaxFrameBytes))
            return refuse("the table at its end names a frame of an impossible size");
        parsed.add(packed, bytes);
        packed_bytes += packed;
    }
    if (packed_bytes != file_bytes - table.size())
        return refuse("the table at its end does not fit the file");
    return parsed;
}

std::uint64_t SeekTable::stream_bytes() const
{
    return frames_.empty() ? 0 : frames_.back().from + frames_.back().bytes;
}

const Frame& SeekTable::at(std::uint64_t offset) const
{
    CHECK(offset < stream_bytes(), "callers look at the size first");
    const auto next = std::upper_bound(
        frames_.begin(), frames_.end(), offset,
        [](std::uint64_t wanted, const Frame& frame) { return wanted < frame.from; });
    return *std::prev(next);
}

std::string pack_frame(std::string_view bytes, int level)
{
    std::string packed(ZSTD_compressBound(bytes.size()), '\0');
    const std::size_t size =
        ZSTD_compress(packed.data(), packed.size(), bytes.data(), bytes.size(), level);
    CHECK(ZSTD_isError(size) == 0, "what fits in memory is packed");
    packed.resize(size);
    return packed;
}

Result<std::string> unpack_frame(std::string_view packed, std::uint64_t bytes)
{
    // ZSTD_decompress would also take several frames, or none: a skippable one in between.
    if (ZSTD_findFrameCompressedSize(packed.data(), packed.size()) != packed.size() ||
        ZSTD_getFrameContentSize(packed.data(), packed.size()) != bytes)
        return refuse("a frame is not what the table at its end says");
    std::string unpacked(bytes, '\0');
    const std::size_t size =
        ZSTD_decompress(unpacked.data(), unpacked.size(), packed.data(), packed.size());
    if (ZSTD_isError(size) != 0 || size != bytes)
        return refuse("a frame is damaged");
    return unpacked;
}

}  // namespace aptward::bundle
