// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What nodes tell each other, as signed notes. Pure. Spec: docs/formats/peer.md.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "tlog/note.h"

namespace aptward::peer {

/// Of the note by which a node says who it is; room for lines of later versions.
inline constexpr std::size_t kMaxNodeBytes = 4096;

/// Who a node is. `run` tells two processes with the same key apart: a state folder was copied.
struct NodeText {
    tlog::VerifierKey key;
    std::string run;      ///< 16 hexadecimal digits, new at each start.
    std::string program;  ///< "aptward/0.1.0"; hostile text without control characters.
    std::vector<unsigned> protocols;
    std::chrono::milliseconds time{};  ///< Of its clock, since 1970.
    std::string nonce;
};

/// A release that a node gives.
struct Head {
    std::string id;  ///< As catalog::Generation::id(): 64 hexadecimal digits.
    SystemTime date{};
    bool has_inrelease = false, has_detached = false;
    std::string suite;
    std::string archive;  ///< Its id there: a hint.
    bool operator==(const Head&) const = default;
};

inline constexpr std::size_t kMostHeads = 200;        ///< They fit a note,
inline constexpr std::size_t kMostToldTorrents = 64;  ///< and these with them.

/// Which releases a node gives. `number` grows with every change, within one run.
struct Heads {
    tlog::VerifierKey key;
    std::string run;
    std::uint64_t number = 0;
    std::vector<Head> heads;
    std::uint64_t have = 0;  ///< Of what is held (have_set.h); 0: it does not tell.
    /// The info hashes of what it publishes: by the note they are signed, and dated.
    std::vector<std::string> torrents{};
};

/// Whether these names can stand in a note: no blanks, nothing but ASCII.
bool can_be_told(const Head& head);

/// The text of the note, which its key is to sign.
std::string to_text(const NodeText& node);

/// The note that answers `nonce`. Lines that are not known are skipped.
/// Fails with malformed for what is no such note, untrusted when its key has not signed it or it
/// answers something else.
Result<NodeText> read_node(std::string_view note, std::string_view nonce);

std::string to_text(const Heads& heads);
/// Fails with malformed, also for more than kMostHeads, kMostToldTorrents; untrusted when `key` has
/// not signed it.
Result<Heads> read_heads(std::string_view note, const tlog::VerifierKey& key);

}  // namespace aptward::peer
