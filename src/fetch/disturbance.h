// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What a drill does to sources (docs/decisions/0022-drills.md).
//
// A drill touches no source: for its length archives ask stand-ins, which know what the sources
// knew and may be disturbed. What they learn goes with them, and a transfer that is still on its
// way afterwards can blame nobody else.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aptward::fetch {

/// What happens to the transfers of a source, where the node starts and receives them.
struct Disturbance {
    enum class Kind {
        refuse,   ///< no connection
        stall,    ///< not one byte, until the limits or the drill end it
        trickle,  ///< one byte a second
        lie,      ///< bodies change on their way, where somebody checks them
    };
    explicit Disturbance(Kind what) : kind(what) {}

    const Kind kind;
    std::atomic<bool> is_over{false};  ///< From then on everything comes as it is.
    /// Transfers that met it. None: what worked meanwhile proves nothing about it.
    mutable std::atomic<std::uint64_t> met{0};
};
std::string_view to_string(Disturbance::Kind kind);
std::optional<Disturbance::Kind> parse_disturbance(std::string_view name);

/// Which sources a drill disturbs.
struct Disturbed {
    enum class Whom { all, first, named };
    Whom whom = Whom::all;
    std::vector<std::string> urls;  ///< Of those that are named.
};

}  // namespace aptward::fetch
