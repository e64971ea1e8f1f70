// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Sending proven bytes: from memory, from a blob, or from a flight with its tail held back.
// For archive/ and peer/.

#include "archive/archive.h"

namespace aptward::archive {

/// What the headers of an answer say about its bytes.
struct Provenance {
    std::string generation;  ///< Short id; empty for none.
    SystemTime modified{};   ///< A property of the content, the same on every node.
    std::int64_t age_s = 0;  ///< Since a source last confirmed it.
    bool is_stale = false;   ///< Older than wished, and no source confirms it now.
    bool is_unverified = false;
    /// HotAnswers::moment() from before the claims were read, when the client does not matter to
    /// what the name means; 0: this answer is for this client.
    std::uint64_t moment = 0;
    // For the delivery record; views of what outlives the answer.
    std::string_view archive, path;  ///< The canonical path below the archive.
    std::string_view generation_id;  ///< The whole id; empty for pool files.
};

/// "Sat, 01 Jan 2000 ..." and so on: Last-Modified for a pool file, a function of its digest alone
/// (docs/decisions/0007-last-modified.md).
SystemTime modified_of(const Digest& digest);

/// 200 or 304 from memory, with conditions and ranges.
http::Async<void> send_text(http::Exchange& exchange, std::string_view bytes,
                            const std::string& etag, const Provenance& provenance,
                            Services& services);

/// The blob when it is held and this archive may give it; false, and nothing is sent, else.
http::Async<bool> send_if_held(http::Exchange& exchange, Digest digest,
                               const Provenance& provenance, Services& services);

/// The blob when it is held, else a flight. `missing_is_proven`: what a not_found of all sources
/// means is up to the caller, who gets it back: false when nothing was sent because of it.
http::Async<bool> send_wanted(http::Exchange& exchange, fetch::Want want,
                              const Provenance& provenance, Services& services);

/// The same for another node, which waits for what is fetched here and, if it asked for that, is
/// told that it is (102).
/// False, and no answer is sent: it is not to be had now.
http::Async<bool> send_to_another(http::Exchange& exchange, fetch::Want want,
                                  const Provenance& provenance, Services& services);

/// A body that nothing vouches for, marked so. Of the source's headers only its length and a date
/// that reads as one go on. `proof` says why there is none, for Aptward-Proof.
http::Async<void> send_unproven(http::Exchange& exchange, std::shared_ptr<fetch::Stream> stream,
                                std::string proof, Counters& counters);

/// A held file turned out to be unreadable while it was sent: said, and set aside.
void give_up_unreadable(Services& services, std::string_view archive, const Digest& digest);

/// One sentence with a stable code: "suite.unavailable: ...". 503 carries Retry-After, 401 the
/// `challenge` for WWW-Authenticate.
http::Async<void> send_refusal(http::Exchange& exchange, int status, std::string code,
                               std::string message, Counters& counters, std::string challenge);
http::Async<void> send_refusal(http::Exchange& exchange, int status, std::string code,
                               std::string message, Counters& counters);
/// 503 without Retry-After: to ask again is of no use.
http::Async<void> send_lasting_refusal(http::Exchange& exchange, std::string code,
                                       std::string message, Counters& counters);

}  // namespace aptward::archive
