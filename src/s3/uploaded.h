// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Which blobs the service is known to have. A file of the state, which may be lost: then the
// service is asked again.

#include <array>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/file.h"
#include "s3/lease.h"

namespace aptward::s3 {

/// Any thread. Whoever asks never waits for the disk, those who change it do.
///
/// The file: the 32 digits of the bucket's id and a line feed, then 16 bytes for each blob, the
/// beginning of its SHA-256; what stands there an even number of times was forgotten again. What is
/// added is not synced and a torn end is cut off: what is not known to be there is asked for and at
/// worst uploaded once more. What is forgotten is so for good when the call returns: where the disk
/// does not take that, the file goes. In memory are 16 bytes for each.
class Uploaded {
public:
    /// Reads the file, where there is one.
    explicit Uploaded(std::filesystem::path file);

    /// The bucket is that of this id: what was known of another one is forgotten. False then.
    bool begin(std::string_view bucket_id);
    bool has(const Digest& digest) const;
    /// A number that is another one whenever what was seen before may count no more: what the
    /// bucket is, or what keeps blobs there, has changed.
    std::uint64_t turn() const;
    /// What was seen until now counts no more, unless it was added already.
    void begin_turn();
    /// It was seen there in that turn. False, and nothing is added, when that is over.
    bool add(const Digest& digest, std::uint64_t turn);
    /// It is not there any more, or other bytes are.
    void forget(const Digest& digest);
    /// All but these are forgotten; false when the disk did not take that in any way.
    bool keep_only(const ShortNames& names);
    /// The bucket is gone, and all that was in it.
    void clear();
    std::size_t count() const;
    /// Of the bucket; empty when none is known.
    std::string bucket_id() const;

private:
    using Key = std::array<std::uint8_t, 16>;
    static Key key_of(const Digest& digest);
    bool contains(const Key& key) const;
    bool append(const Key& key);
    bool replace_file(std::string_view text);
    bool drop_file();
    void start_over(std::string_view bucket_id);

    const std::filesystem::path path_;
    std::mutex writing_;  // of those that change something, before the other one; guards the file
    Fd file_;
    bool is_stale_ = false;     // in the file may be what was forgotten
    mutable std::mutex mutex_;  // guards the rest, of which only turn_ changes without the other
    std::uint64_t turn_ = 0;
    std::string bucket_id_;
    std::vector<Key> sorted_;
    std::set<Key> fresh_;  // since they were sorted
};

}  // namespace aptward::s3
