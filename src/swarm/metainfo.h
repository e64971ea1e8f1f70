// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Torrents of files that are named by their own SHA-256, version 2 only. Pure.
//
// There is one text for each list of files: sorted, without dates, names or comments of anybody,
// and with a length of pieces that follows from the sizes. So two nodes that hold the same files
// make the same torrent, with one info hash, without a word to each other; and nothing but that
// text is read. Spec: BEP 52, docs/formats/torrents.md.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace aptward::swarm {

inline constexpr std::size_t kMostTorrentFiles = 4096;  ///< Of one torrent; guess.
inline constexpr std::uint64_t kMostSharedBytes = std::uint64_t{1} << 38;  ///< Of all of them.
inline constexpr std::size_t kMostTorrentBytes = std::size_t{4} << 20;     ///< Of its text.
/// What hashes are of, at the bottom (BEP 52).
inline constexpr std::size_t kBlockBytes = 16 * 1024;
/// The folder that several files lie in; a single file lies in none.
inline constexpr std::string_view kTorrentFolder = "aptward";

using MerkleHash = std::array<std::uint8_t, 32>;

struct SharedFile {
    Digest digest;                   ///< SHA-256, not empty: its name, and its size.
    MerkleHash root{};               ///< Of all its blocks.
    std::vector<MerkleHash> pieces;  ///< Of each piece; none when it is no larger than one.
    bool operator==(const SharedFile&) const = default;
};

struct Metainfo {
    std::vector<SharedFile> files;  ///< Sorted by name; at least one.
    bool operator==(const Metainfo&) const = default;

    std::uint64_t total_bytes() const;
    /// Where a file lies: "HEX" of a single one, else "aptward/HEX".
    std::string path_of(const SharedFile& file) const;
};

/// A power of two that follows from the bytes of all files together.
std::uint32_t piece_bytes_for(std::uint64_t total_bytes);

/// Reads a file once, in whatever parts, and gives its hashes.
class PieceHasher {
public:
    explicit PieceHasher(std::uint32_t piece_bytes) : piece_bytes_(piece_bytes) {}

    void update(std::string_view bytes);
    /// `digest`: of all that it got.
    SharedFile finish(const Digest& digest) &&;

private:
    void end_block();

    const std::uint32_t piece_bytes_;
    std::string block_;
    std::vector<MerkleHash> blocks_;  // of the piece that is read
    std::vector<MerkleHash> pieces_;
};

/// 64 hexadecimal digits: the SHA-256 of what BEP 52 calls the info dictionary.
std::string info_hash_of(const Metainfo& metainfo);

/// The .torrent.
std::string to_torrent(const Metainfo& metainfo);

/// Fails with malformed for everything that to_torrent() does not give: another order, files that
/// are no digests, limits exceeded, hashes of pieces that are not those of the root.
Result<Metainfo> parse_torrent(std::string_view text);

/// "magnet:?xt=urn:btmh:1220HEX"
std::string magnet_of(std::string_view info_hash);

/// The info hash of a magnet link, or one that stands alone. What else a link has is skipped.
/// Fails with malformed, also for links of version 1 alone.
Result<std::string> parse_magnet(std::string_view text);

}  // namespace aptward::swarm
