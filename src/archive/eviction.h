// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What may go when the disk is to hold less: the plan. Pure. docs/decisions/0018-bounded-disk.md.

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"

namespace aptward::archive {

/// Who needs a held file, the least first: what nobody needs goes first.
enum class Need : std::uint8_t {
    nobody,   ///< No release that is remembered names it.
    past,     ///< Earlier releases only.
    current,  ///< What is served now names it.
    kept,     ///< An index that is served, or what a pin, a name or a freeze keeps.
};
/// "nobody", "past", "current", "kept"
std::string_view to_string(Need need);

/// A held file. A million of them are kept at a time.
struct HeldFile {
    std::array<std::uint8_t, 16> key;  ///< The beginning of its first digest.
    std::uint64_t bytes = 0;
    std::uint32_t used = 0;  ///< Seconds since 1970.
    Need need = Need::nobody;
    bool is_away = false;  ///< A blob service has it too, as far as is known.
};
static_assert(sizeof(HeldFile) <= 32);

inline std::array<std::uint8_t, 16> key_of(const Digest& digest)
{
    std::array<std::uint8_t, 16> key;
    std::memcpy(key.data(), digest.hash.data(), key.size());
    return key;
}

struct EvictionLimits {
    std::uint64_t target_bytes = 0;  ///< What is to be held afterwards, at most.
    SystemTime spared_since{};       ///< Whatever was used since then stays.
    SystemTime hot_since{};          ///< What is served now and was used since then stays.
};

struct EvictionPlan {
    std::vector<std::uint32_t> victims;  ///< Numbers of files, in the order in which they go.
    std::uint64_t held_bytes = 0, freed_bytes = 0;
    std::uint64_t over_bytes = 0;  ///< By which what stays is above the target.
    struct Share {
        std::uint64_t files = 0, bytes = 0;
    };
    std::array<Share, 4> held;  ///< By need.
    Share hot;                  ///< Of `current`: used lately, so it stays.

    /// Nothing goes after all.
    void give_up()
    {
        victims.clear();
        over_bytes += std::exchange(freed_bytes, 0);
    }
};

/// What nobody needs goes first, then what only the past needs, then what is served and not used:
/// of each what is away first, then the least recently used, and no more than the target asks for.
EvictionPlan plan_eviction(const std::vector<HeldFile>& files, const EvictionLimits& limits);

}  // namespace aptward::archive
