// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// A node's head pointer: where it is, and what its newest releases are, as a mutable item of the
// DHT (BEP 44) that its key has signed. Whoever knows the key needs no server to follow it. Pure.
// Spec: docs/formats/peer.md, "Head pointers".

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "peer/messages.h"
#include "swarm/messages.h"

namespace aptward::peer {

inline constexpr const char* kPointerSalt = "aptward/v1";
inline constexpr std::size_t kMostPointerBytes = 996;  ///< Bencoded as a string, 1000.
inline constexpr std::size_t kMostPlaces = 3;

struct Pointer {
    std::vector<swarm::Place> places;  ///< Where it answers clients; the first one first.
    std::vector<Head> heads;  ///< The newest first. Neither forms nor an archive: `release/` says.
    bool operator==(const Pointer&) const = default;
};

/// Of the heads as many as fit.
std::string to_text(const Pointer& pointer);
/// Lines that are not known are skipped. Fails with malformed.
Result<Pointer> parse_pointer(std::string_view text);

/// Where those who hold a release find each other: the first 20 bytes of the SHA-256 of
/// "aptward/v1/release/ID". A release's id says whose it is and of which suite.
swarm::Key meeting_key(const std::string& release_id);

}  // namespace aptward::peer
