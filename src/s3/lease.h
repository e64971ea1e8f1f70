// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What a node says it needs of a bucket, and that somebody deletes there. Pure; fuzzed.
// docs/formats/bucket.md; docs/decisions/0033-leases.md.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace aptward::s3 {

/// The first eight bytes of a SHA-256. Two blobs with the same are both kept.
using ShortName = std::uint64_t;
ShortName short_name_of(const Digest& digest);

/// In ascending order, each once.
using ShortNames = std::vector<ShortName>;
void put_in_order(ShortNames& names);
bool contains(const ShortNames& names, const Digest& digest);

/// A node that needs more says that it needs everything: 64 MB; guess.
inline constexpr std::size_t kMostNames = 8'000'000;
inline constexpr std::size_t kMostLeaseBytes = kMostNames * sizeof(ShortName) + 4096;
/// How long a node's word counts after its last one, and the longest that any node may ask for:
/// a machine that is away for a month, and a lease that cannot be read. Guesses.
inline constexpr std::chrono::hours kLeaseValid{30 * 24}, kLongestValid{90 * 24};

struct Lease {
    std::string node;              ///< For people: printable, at most 64 bytes, no blanks.
    std::chrono::seconds valid{};  ///< After the moment at which the service took it.
    bool needs_everything = false;
    ShortNames names;
};

std::string to_text(const Lease& lease);
/// Fails with malformed. What it says is the word of whoever can write to the bucket.
Result<Lease> parse_lease(std::string_view text);

/// The object that says that somebody deletes: each deletion is over so long after the deleter
/// began to read the leases that it went by.
struct DeletionNotice {
    std::chrono::seconds within{};
};
inline constexpr std::chrono::seconds kLongestWithin{900};
std::string to_text(const DeletionNotice& notice);
std::optional<DeletionNotice> parse_deletion_notice(std::string_view text);

/// How long a lease has to have been there until what it names is safe from whoever had read the
/// leases before, or was shown a list without it: `within`, and three of it for lists that lag.
std::chrono::seconds settling_time(const DeletionNotice& notice);

}  // namespace aptward::s3
