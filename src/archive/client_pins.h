// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Which generation a client's last InRelease was of: its canonical index names mean that one for
// some minutes, so that a switch between its two requests mixes nothing (A9, R20).

#include <array>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/clock.h"

namespace aptward::archive {

/// Any thread. Touched for InRelease and canonical index names only, never for pool files or
/// by-hash names; sharded, so that loops rarely meet (docs/decisions/0006-client-pins.md).
class ClientPins {
public:
    void note(const std::string& client, const std::string& suite, const std::string& generation);
    /// Empty when the client has fetched no InRelease of the suite lately.
    std::string find(const std::string& client, const std::string& suite) const;
    /// Client and suite of those whose last InRelease was of one of these.
    std::set<std::pair<std::string, std::string>> holders(
        const std::set<std::string>& generations) const;

private:
    static constexpr std::chrono::minutes kKept{10};
    static constexpr std::size_t kMostPerShard = 8'192;
    struct Pin {
        std::string generation;
        SteadyTime until;
    };
    struct Shard {
        mutable std::mutex mutex;
        std::unordered_map<std::string, Pin> pins;
    };
    Shard& shard(const std::string& key);
    const Shard& shard(const std::string& key) const;
    std::array<Shard, 16> shards_;
};

}  // namespace aptward::archive
