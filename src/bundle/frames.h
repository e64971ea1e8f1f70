// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The stream of a bundle as zstd frames, with the table that finds them. Private to bundle/.
//
//     | frame | frame | ... | skippable frame: the seek table |
//
// Any zstd reader sees one stream and skips the table; we read a frame where it is needed.
// Spec: RFC 8878 3.1.1 and 3.1.2; zstd contrib/seekable_format, version 0.1.1, without checksums
// (what is in the frames has hashes of its own).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace aptward::bundle {

/// What the writer puts in a frame: large enough to pack well, small enough to read for a note.
inline constexpr std::size_t kFrameBytes = 1 << 20;
/// What the reader takes: memory for one frame is bounded.
inline constexpr std::size_t kMaxFrameBytes = 8 << 20;
inline constexpr std::size_t kMostFrames = 1 << 22;  ///< 4 TiB of the writer's frames.

inline constexpr std::size_t kFooterBytes = 9;

struct Frame {
    std::uint64_t at = 0, packed_bytes = 0;  ///< In the file.
    std::uint64_t from = 0, bytes = 0;       ///< In the stream.
};

class SeekTable {
public:
    void add(std::uint64_t packed_bytes, std::uint64_t bytes);

    /// The skippable frame.
    std::string to_bytes() const;
    /// Size of the skippable frame whose last kFooterBytes these are. Fails with malformed.
    static Result<std::uint64_t> size_from(std::string_view footer);
    /// `table`: the skippable frame, the end of a file of `file_bytes`. Fails with malformed, also
    /// when its frames are not exactly what stands in front of it. Pure.
    static Result<SeekTable> parse(std::string_view table, std::uint64_t file_bytes);

    const std::vector<Frame>& frames() const { return frames_; }
    std::uint64_t stream_bytes() const;
    /// The frame with this byte of the stream, which is below stream_bytes().
    const Frame& at(std::uint64_t offset) const;

private:
    std::vector<Frame> frames_;
};

/// One frame. `level`: zstd's.
std::string pack_frame(std::string_view bytes, int level);
/// Fails with malformed when it is not one frame of exactly `bytes` bytes. Pure.
Result<std::string> unpack_frame(std::string_view packed, std::uint64_t bytes);

}  // namespace aptward::bundle
