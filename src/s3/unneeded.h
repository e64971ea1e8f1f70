// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Which objects of the bucket no node has needed, and since when. A file of the state, which may be
// lost: then the waiting begins anew.

#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"

namespace aptward::s3 {

/// A moment by two clocks: one that is set wrong, or jumps, makes nothing older.
struct Moment {
    SystemTime service{};  ///< What the service writes on what it takes.
    SystemTime node{};
};
/// The shorter of both; never negative. Pure.
std::chrono::seconds age(const Moment& since, const Moment& now);

/// At most so many are known, those that were seen first: 30 MB; guess.
inline constexpr std::size_t kMostUnneeded = 200'000;

/// One thread at a time; load() and save() block on the disk.
///
/// The file is text: a line with the bucket's id, then "HEX SIZE SERVICE NODE" for each, both times
/// in seconds since 1970.
class Unneeded {
public:
    struct Object {
        std::uint64_t size_bytes = 0;
        Moment since{};
    };
    using Key = std::array<std::uint8_t, 32>;
    /// What one listing of a part of the bucket found that nobody needs.
    using Part = std::map<Key, Object>;

    /// What cannot be read is nothing.
    void load(const std::filesystem::path& file);
    Result<void> save(const std::filesystem::path& file) const;
    static Unneeded parse(std::string_view text);
    std::string text() const;

    /// Of another bucket nothing is known.
    void begin(std::string_view bucket_id);
    /// Everything of the part whose hashes begin with `first` is what was found now: what was known
    /// keeps its moment, what is not there any more, or needed, is forgotten.
    void replace_part(std::uint8_t first, Part found);
    void forget(const Key& key) { objects_.erase(key); }
    const std::map<Key, Object>& objects() const { return objects_; }
    /// Nothing when nobody has seen it unneeded.
    const Object* find(const Key& key) const;

private:
    std::string bucket_id_;
    std::map<Key, Object> objects_;
};

Unneeded::Key unneeded_key(const Digest& digest);

}  // namespace aptward::s3
