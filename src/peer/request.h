// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What nodes ask each other, as paths. Pure. Spec: docs/formats/peer.md.

#include <chrono>
#include <string>
#include <string_view>
#include <variant>

#include "base/digest.h"
#include "base/result.h"

namespace aptward::peer {

/// Who answers here, proven by its key. `nonce`: 32 hexadecimal digits that the asker made up.
struct AskedNode {
    std::string nonce;
};

/// Which releases are given here: once they are others than `If-None-Match` says, or after so long.
struct AskedHeads {
    std::chrono::seconds wait{};
};

/// A file of one of them.
struct AskedRelease {
    std::string id;    ///< 64 lower-case hexadecimal digits.
    std::string name;  ///< "InRelease", "Release" or "Release.gpg"
};

/// Bytes by digest, and what they are: a name that a release or an index lists, so that the answer
/// needs no list of all digests.
struct AskedFile {
    enum class Kind { index, pool };
    Kind kind = Kind::pool;
    Digest digest;
    std::string path;  ///< Clean: no leading slash, no "..".
};

/// What is held of the files that indexes list, as far as it changed after this number; 0: all.
struct AskedHave {
    std::uint64_t after = 0;
};

/// The .torrent of what is published here.
struct AskedTorrent {
    std::string info_hash;  ///< 64 lower-case hexadecimal digits.
};

/// A file of it, as a web seed gives it (BEP 19).
struct AskedShare {
    std::string info_hash;
    std::string path;  ///< "HEX" of the only one, or "aptward/HEX".
};

using Asked = std::variant<AskedNode, AskedHeads, AskedRelease, AskedFile, AskedHave, AskedTorrent,
                           AskedShare>;

inline constexpr std::chrono::seconds kLongestWait{25};

/// `path` as http::parse_target gives it, `query` without '?'.
/// Fails with malformed; with stale for another version of the protocol than this one.
Result<Asked> parse_request(std::string_view path, std::string_view query);

/// Behind the URL of a peer, encoded, without leading slash.
std::string path_of(const AskedNode& asked);
std::string path_of(const AskedHeads& asked);
std::string path_of(const AskedRelease& asked);
std::string path_of(const AskedFile& asked);
std::string path_of(const AskedHave& asked);
std::string path_of(const AskedTorrent& asked);
std::string path_of(const AskedShare& asked);

}  // namespace aptward::peer
