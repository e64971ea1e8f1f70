// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What this node holds of the files that its given indexes list, kept as blobs come and go, and
// told to others. Private to peer/.

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "catalog/universe.h"
#include "peer/have_set.h"

namespace aptward::peer {

/// By the same names as HaveSets.
using Universes = std::map<std::string, std::shared_ptr<const catalog::Universe>, std::less<>>;

class OwnSets {
public:
    /// An index, its files in the order of its universe, and which of them are given to others.
    struct Index {
        std::shared_ptr<const catalog::Universe> universe;
        HaveSet set;
    };
    /// Whether this file of that index is given to others. Blocks on the disk.
    using IsGiven = std::function<bool(const std::string& index, const Digest& digest)>;

    explicit OwnSets(std::string run) : run_(std::move(run)) {}

    /// From now on it matters what is noted: before an index is read for update(). Any thread.
    void begin() { has_begun_ = true; }
    /// A blob came or went; told with the next update. Any thread.
    void note(const Digest& digest);
    /// More was noted than is remembered: every index has to be read anew. Once.
    bool must_read_anew() { return has_overflowed_.exchange(false); }

    /// One thread at a time, for a worker: those indexes are gone that `names` lacks, `fresh` ones
    /// have come, and what was noted is looked at. True when others may be told something new.
    bool update(const std::vector<std::string>& names, std::map<std::string, Index> fresh,
                const IsGiven& is_given);

    /// Of the last change; 0: none yet. Any thread.
    std::uint64_t number() const { return number_.load(); }
    /// What changed after that number, as the answer to another node. Any thread.
    std::string text_after(std::uint64_t number) const;
    /// The universes of all sets. Any thread.
    std::shared_ptr<const Universes> universes() const { return universes_.load(); }

private:
    struct Change {
        std::uint64_t number;
        std::uint32_t place;
    };
    struct Own {
        Index index;
        std::uint64_t since;          // the number with which it was told first
        std::deque<Change> changes;   // the latest
        std::uint64_t forgotten = 0;  // the number of the latest change that is not among them
    };

    /// A place of an index that is not as it was.
    struct Turned {
        Own* own;
        std::uint32_t place;
    };
    std::vector<Turned> look_at(const std::vector<Digest>& noted, const IsGiven& is_given);
    static void turn(const Turned& turned, std::uint64_t number);
    static Changes changes_after(const Own& own, std::uint64_t number);

    const std::string run_;
    std::atomic<bool> has_begun_{false}, has_overflowed_{false};
    std::mutex noted_mutex_;
    std::vector<Digest> noted_;
    mutable std::mutex mutex_;  // guards the next two; held while a text is put together
    std::map<std::string, Own> sets_;
    std::deque<std::pair<std::uint64_t, std::string>> gone_;  // with the number of their going
    std::atomic<std::uint64_t> number_{0};
    std::atomic<std::shared_ptr<const Universes>> universes_{std::make_shared<const Universes>()};
};

}  // namespace aptward::peer
