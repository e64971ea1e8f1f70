// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The quota, and what was counted last of what it bounds. docs/decisions/0018-bounded-disk.md.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace aptward::archive {

/// What a walk through all that is held has found.
struct QuotaCount {
    std::uint64_t held_bytes = 0;     ///< After what went then.
    std::uint64_t kept_bytes = 0;     ///< Indexes, and what pins, names and freezes keep.
    std::uint64_t hot_bytes = 0;      ///< What is served and was used within Quota::hot_for().
    std::uint64_t staying_bytes = 0;  ///< All that did not go, or would not have.
    std::uint64_t stored_before = 0;  ///< Blobs::stored_bytes() when it began.
};

/// Any thread.
class Quota {
public:
    Quota(std::uint64_t bytes, std::chrono::seconds hot_for) : bytes_(bytes), hot_for_(hot_for) {}

    /// 0: none.
    std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
    void set_bytes(std::uint64_t bytes) { bytes_ = bytes; }
    /// What is served now stays for so long after its last use.
    std::chrono::seconds hot_for() const { return hot_for_; }

    void note(const QuotaCount& count) { count_ = std::make_shared<const QuotaCount>(count); }
    /// Nothing before the first walk has ended.
    std::optional<QuotaCount> count() const;
    /// By which what does not go is above the quota; 0 while it holds, or nothing was counted.
    std::uint64_t over_bytes() const;

private:
    std::atomic<std::uint64_t> bytes_;
    const std::chrono::seconds hot_for_;
    std::atomic<std::shared_ptr<const QuotaCount>> count_;
};

/// What is held when so much was stored since the start.
std::uint64_t held_now(const QuotaCount& count, std::uint64_t stored_bytes);

/// "1.2 MB of indexes, pins, names and freezes and 300 kB of what clients use have to stay"
std::string what_stays(const QuotaCount& count);

}  // namespace aptward::archive
