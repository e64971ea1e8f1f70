// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The delivery record: who got which bytes, when, and where the node had them from. Segment files
// of checksummed blocks, each with a dictionary of its own: docs/formats/deliveries.md.
//
// Crash promise: a process that dies loses what it had not flushed (a second); a torn block at the
// end of a segment is recognised and dropped. Flushes are not synced: a power cut loses what the
// kernel had not written yet.

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace aptward::store {

/// One answer with proven bytes (or "unchanged", 304). Text is of type `Text`: views while it is
/// recorded and decoded, strings where it is kept.
template <class Text>
struct DeliveryOf {
    std::int64_t time_ms = 0;  ///< Since 1970, UTC.
    Text client;               ///< Address, or "unix".
    Text archive, path;        ///< The canonical path below the archive, decoded.
    Text digest;               ///< Hexadecimal; for InRelease and Release the release's id.
    Text generation;           ///< Release id the name was proven by; empty for pool files.
    Text source;               ///< URL that gave the last byte; empty: the bytes were held.
    std::uint64_t bytes_sent = 0;
    std::uint16_t status = 0;
    bool is_complete = false;  ///< All of the answer went to the client's connection.
};
using Delivery = DeliveryOf<std::string_view>;
using KeptDelivery = DeliveryOf<std::string>;

inline constexpr std::size_t kMaxDeliveryText = 8 * 1024;  ///< Longer text is cut.

/// Turns deliveries into blocks of one segment. Pure; one thread.
class DeliveryEncoder {
public:
    DeliveryEncoder() = default;
    DeliveryEncoder(DeliveryEncoder&&) = default;
    DeliveryEncoder& operator=(DeliveryEncoder&&) = default;

    static std::string header(std::int64_t start_ms);

    void add(const Delivery& delivery);
    std::size_t pending() const { return record_count_; }
    std::size_t pending_bytes() const
    {
        return strings_.size() + objects_.size() + records_.size();
    }
    std::size_t dictionary_bytes() const { return dictionary_bytes_; }
    /// The block of what was added since the last one, after `lost` deliveries that were not.
    std::string take_block(std::uint64_t lost);

private:
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const
        {
            return std::hash<std::string_view>()(text);
        }
    };
    using Object = std::array<std::uint32_t, 4>;  // archive, path, digest, generation
    /// The text that a field had last: mostly it has it again.
    struct Last {
        std::string text;
        std::uint32_t id = 0;
    };
    /// The object that a digest meant last.
    struct Known {
        std::uint32_t archive = 0, generation = 0, object = 0;
        std::string_view path;  // of string_ids_
    };
    std::uint32_t string_id(std::string_view text);
    std::uint32_t string_id(std::string_view text, Last& last);
    std::uint32_t object_id(const Object& object);
    std::uint32_t object_of(const Delivery& delivery);

    std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>> string_ids_;
    std::map<Object, std::uint32_t> object_ids_;
    std::unordered_map<std::string_view, Known> known_;  // by digest, of string_ids_
    Last last_client_, last_archive_, last_generation_, last_source_;
    std::size_t dictionary_bytes_ = 0;
    std::int64_t block_ms_ = 0;
    std::string strings_, objects_, records_;  // of the block that is being made
    std::uint32_t string_count_ = 0, object_count_ = 0, record_count_ = 0;
};

/// What a segment held besides its deliveries.
struct SegmentReading {
    std::uint64_t deliveries = 0;
    std::uint64_t lost = 0;           ///< Not recorded, as the segment itself says.
    std::uint64_t unreadable = 0;     ///< Their dictionary was in a damaged block.
    std::uint64_t damaged_bytes = 0;  ///< Of blocks that do not match their checksums.
    std::uint64_t torn_bytes = 0;     ///< At the end: what a crash left of a block.
};

/// Calls `visit` for every delivery, in the order recorded. Pure.
/// Fails with malformed when `bytes` do not start like a segment, stale for another version's.
Result<SegmentReading> read_segment(std::string_view bytes,
                                    const std::function<void(const Delivery&)>& visit);

struct SegmentLimits {
    std::uint64_t segment_bytes = 16ULL << 20;
    std::size_t block_bytes = 64 * 1024;
    std::size_t dictionary_bytes = 4ULL << 20;  ///< Bounds the writer's memory.
    std::chrono::hours age{24};
};

/// Writes segments into one folder. One thread; blocks on the disk.
class DeliverySegments {
public:
    explicit DeliverySegments(std::filesystem::path folder, SegmentLimits limits = {})
        : folder_(std::move(folder)), limits_(limits)
    {
    }

    /// Flushes by itself when a block is full; a failure shows at the next flush.
    void add(const Delivery& delivery);
    /// Counts deliveries that nobody could add; the next block says so.
    void add_lost(std::uint64_t count) { lost_ += count; }
    /// Writes what was added. Fails with storage: then those deliveries are lost, and counted so.
    Result<void> flush();
    /// Deliveries that flushes could not write, so far.
    std::uint64_t failed() const { return failed_; }

    /// Removes segments whose last write is before `oldest`; how many.
    std::size_t remove_before(std::chrono::system_clock::time_point oldest) const;

private:
    Result<void> start_segment();
    Result<void> write_block();
    Result<void> write_pending();

    std::filesystem::path folder_;
    SegmentLimits limits_;
    Fd file_;
    std::uint64_t size_ = 0;
    std::chrono::system_clock::time_point started_;
    DeliveryEncoder encoder_;
    std::uint64_t lost_ = 0, failed_ = 0;
    std::optional<Error> failure_;
};

/// Everything that is set has to match.
struct DeliveryQuery {
    std::string digest;                 ///< Its beginning will do.
    std::string path;                   ///< The whole path, or its end behind a '/'.
    std::string client;                 ///< Exactly.
    std::int64_t since_ms = 0;          ///< This moment is inside,
    std::int64_t until_ms = INT64_MAX;  ///< this one is not.
    std::size_t limit = 1000;           ///< The newest so many.

    bool matches(const Delivery& delivery) const;
};

struct DeliveriesFound {
    std::vector<KeptDelivery> deliveries;  ///< As they were recorded, newest last.
    bool is_cut = false;                   ///< There are older ones that match.
    SegmentReading reading;                ///< Over the segments that were read.
    std::uint64_t foreign_bytes = 0;       ///< Of segments of another version, which were not.
};

/// Reads the segments of a folder, also while a node writes there. Blocks on the disk.
/// Fails with not_found when nothing was ever recorded there, storage.
Result<DeliveriesFound> find_deliveries(const std::filesystem::path& folder,
                                        const DeliveryQuery& query);

/// Calls `visit` for each delivery since then, as they were recorded. What is damaged is passed
/// over; where nothing was ever recorded there is none. Blocks on the disk. Fails with storage.
Result<void> each_delivery(const std::filesystem::path& folder, std::int64_t since_ms,
                           const std::function<void(const Delivery&)>& visit);

}  // namespace aptward::store
