// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// A list of objects, as an S3-compatible service gives it. Pure; fuzzed.
//
// What is listed is never believed: it names what is looked at. A list may lag behind what the
// service took or gave up.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace aptward::s3 {

inline constexpr std::size_t kMostListed = 1000;  ///< Of one answer, as the specification has it.
inline constexpr std::size_t kMostListingBytes = 4 << 20;

struct Listed {
    std::string key;
    std::uint64_t size_bytes = 0;
    SystemTime modified{};  ///< By the service's clock.
};

struct Listing {
    std::vector<Listed> objects;
    bool is_cut = false;  ///< There are more, after the last key.
};

/// The query that lists what begins with `prefix` and comes after the key `after`. An answer is
/// continued by its last key, so that nothing of it has to be sent back.
std::string listing_query(std::string_view prefix, std::string_view after);

/// Reads <ListBucketResult>. Nothing for all else, for more than was asked for, and where an object
/// lacks its key, size or time. Spec: Amazon S3 API, "ListObjectsV2".
std::optional<Listing> read_listing(std::string_view xml);

/// "2026-11-28T06:00:00.000Z".
std::optional<SystemTime> parse_listed_time(std::string_view text);

}  // namespace aptward::s3
