// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What a node holds of the files that an index lists, and how it tells others. Pure, and hostile
// input is bounded before memory is taken. Spec: docs/formats/peer.md.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace aptward::peer {

/// A bit for each file of an index, in the order of catalog::Universe.
class HaveSet {
public:
    explicit HaveSet(std::size_t count) : words_((count + 63) / 64), count_(count) {}

    std::size_t count() const { return count_; }
    bool has(std::size_t place) const
    {
        return place < count_ && (words_[place / 64] >> (place % 64) & 1) != 0;
    }
    void put(std::size_t place, bool is_held)
    {
        const std::uint64_t bit = std::uint64_t{1} << (place % 64);
        if (place < count_)
            words_[place / 64] = is_held ? words_[place / 64] | bit : words_[place / 64] & ~bit;
    }
    /// The places of those that are held, rising.
    std::vector<std::uint32_t> places() const;
    bool operator==(const HaveSet&) const = default;

private:
    std::vector<std::uint64_t> words_;
    std::size_t count_;
};

/// By the hash of the index's unpacked text, 64 hexadecimal digits.
using HaveSets = std::map<std::string, std::shared_ptr<const HaveSet>, std::less<>>;

inline constexpr std::size_t kMostSets = 64;           ///< Of one node; guess.
inline constexpr std::size_t kMaxHaveBytes = 1 << 20;  ///< Of one answer.

/// What changed in one set. Places rise.
struct Changes {
    std::vector<std::uint32_t> added, removed;
};

/// One answer, as it is put together.
class HaveText {
public:
    /// What was told up to `from` becomes what holds at `to`; `from` 0: whatever was told before is
    /// void. Both are numbers of the teller's `run` (16 hexadecimal digits).
    HaveText(std::string_view run, std::uint64_t from, std::uint64_t to);
    void add_whole(std::string_view index, const HaveSet& set);
    void add_changes(std::string_view index, std::size_t count, const Changes& changes);
    void add_gone(std::string_view index);
    std::string finish() && { return std::move(bytes_); }

private:
    void add_head(std::string_view index, std::size_t count, char kind, std::string_view payload);
    std::string bytes_;
};

struct HaveNews {
    std::string run;
    std::uint64_t to = 0;
    HaveSets sets;
};

/// How many files this node knows an index to list; nothing: it does not know it, and keeps no set.
using CountOf = std::function<std::optional<std::size_t>(std::string_view index)>;

/// `before` with what an answer to the question for news after `from` says. Fails with malformed,
/// also for a count that is not this node's, and for what does not begin where `from` ends.
Result<HaveNews> read_have(std::string_view bytes, std::uint64_t from, HaveSets before,
                           const CountOf& count_of);

}  // namespace aptward::peer
