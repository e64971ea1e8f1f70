// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Answers that were given lately and can be given again as they are: a proven file that is hot,
// with the head that was made for it. What stands between a request and its bytes is then one
// look-up.
//
// An answer stands on claims and on configuration. Whoever changes either calls forget(), and
// nothing that was kept before is found again.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "store/hot_blobs.h"

namespace aptward::archive {

/// Immutable; lives as long as somebody sends it.
struct HotAnswer {
    std::string head;  ///< http::head_of()
    Digest digest;
    std::string archive, path, hex, generation;  ///< For the delivery record.
};
using HotAnswerPtr = std::shared_ptr<const HotAnswer>;

/// One set for each loop, which is a thread: nothing in a set is shared or locked. The bytes belong
/// to the loop's hot blobs and are gone when those let go of them. At most kMostHotAnswers each.
class HotAnswers {
public:
    static constexpr std::size_t kMostHotAnswers = 4096;

    HotAnswers() { forget(); }

    /// Any thread. After it, no loop finds what it kept before.
    void forget();

    /// To be read before the claims that an answer stands on; goes into keep().
    std::uint64_t moment() const { return moment_.load(std::memory_order_acquire); }

    struct Found {
        HotAnswerPtr answer;
        store::HotBlobPtr blob;
    };
    /// Of this loop. `target` as the client spelled it.
    std::optional<Found> find(std::string_view target) const;
    /// On this loop.
    void keep(std::string_view target, std::uint64_t moment, HotAnswer answer,
              const store::HotBlobPtr& blob) const;

private:
    std::atomic<std::uint64_t> moment_{0};
};

/// On a client's loop: open files of blobs that were evicted are closed, unless one is being sent.
void let_go_of_evicted();

}  // namespace aptward::archive
