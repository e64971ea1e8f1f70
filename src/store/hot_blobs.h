// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Blobs that were asked for lately, ready to be sent without opening a file: small ones as bytes
// in memory, larger ones as an open file. What a hit costs is then the send alone.

#include <cstddef>
#include <ctime>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/digest.h"
#include "base/file.h"
#include "base/result.h"
#include "store/store.h"

namespace aptward::store {

inline constexpr std::uint64_t kLargestInHand = 64 * 1024;

/// A held blob for reading. Immutable but for `was_used`; lives as long as somebody sends it.
struct HotBlob {
    Fd file;               ///< Open when `is_in_hand` is false.
    ::timespec changed{};  ///< The file's status change time when it was opened.
    std::string bytes;     ///< All of it when `is_in_hand`: hashed when it was read, so proven.
    bool is_in_hand = false;
    mutable bool was_used = true;  ///< Since the hand of the clock came by; on its loop only.
    mutable SystemTime noted{};    ///< When its use was last noted on the disk; on its loop only.

    /// It is used now: evict() has to know, once an hour.
    void note_use(const Blobs& blobs, const Digest& digest, SystemTime now) const;

    /// False when the file was written to, cut, renamed or removed since it was opened.
    bool is_still_right() const;
};
using HotBlobPtr = std::shared_ptr<const HotBlob>;

/// Lives on one loop: nothing in it is shared or locked. Bounded in bytes and descriptors; what
/// was not asked for since the hand of the clock came by last goes first.
///
/// A blob up to kLargestInHand that the disk changed behind our back is found out when it is read,
/// set aside and not served. A larger one is opened anew when its status changed: written to, cut,
/// renamed (set aside, also by another process) or removed.
class HotBlobs {
public:
    struct Limits {
        std::uint64_t bytes = 8ULL << 20;  ///< In hand, on this loop.
        std::size_t entries = 2048;        ///< And at most half as many open files.
    };
    explicit HotBlobs(Limits limits) : limits_(limits) {}

    /// Fails as Blobs::read does. May read up to kLargestInHand bytes from the disk.
    Result<HotBlobPtr> get(const Blobs& blobs, const Digest& digest);

    /// Lets go of open files that were removed: their room on the disk is free only then.
    void sweep();

    std::size_t size() const { return entries_.size(); }
    std::uint64_t bytes() const { return bytes_; }

private:
    struct Entry {
        HotBlobPtr blob;
        std::size_t slot = 0;  // in clock_
    };
    Result<HotBlobPtr> load(const Blobs& blobs, const Digest& digest) const;
    void keep(const Digest& digest, HotBlobPtr blob);
    void drop(const Digest& digest);
    void make_room();

    Limits limits_;
    std::unordered_map<Digest, Entry, DigestHash> entries_;
    std::vector<Digest> clock_;
    std::size_t hand_ = 0;
    std::size_t files_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace aptward::store
