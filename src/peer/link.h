// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What is known of one neighbour: who it is, and whether it is asked for anything. Pure.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "peer/messages.h"

namespace aptward::peer {

enum class State {
    untried,
    linked,
    unreachable,   ///< No answer, or one that tells of trouble there.
    no_node,       ///< Something else answers at its address.
    incompatible,  ///< It speaks no version of the protocol that this node speaks.
    mismatch,      ///< Not the node whose key the configuration names.
    self,          ///< This node, by another name.
    cloned,        ///< Another node with this one's key: a state folder was copied.
    duplicate,     ///< Another URL leads to the same node.
};
std::string_view to_string(State state);

/// Whether a node in this state is asked for bytes.
constexpr bool is_asked(State state)
{
    return state == State::untried || state == State::linked || state == State::duplicate;
}

/// By which the clocks of two nodes may differ before somebody is told (A24).
inline constexpr std::chrono::milliseconds kMostClockDifference{10'000};

struct Link {
    State state = State::untried;
    std::string why;  ///< One sentence; empty when linked or untried.
    std::optional<tlog::VerifierKey> key;
    std::string program;
    std::chrono::milliseconds round_trip{};
    bool is_near = false;  ///< The shortest of them so far was that of a local network.
    std::chrono::milliseconds
        clock_ahead{};      ///< Its clock against ours, give or take a round trip.
    SystemTime since{};     ///< It is in this state.
    unsigned failures = 0;  ///< In a row.
};

/// This node, for comparison.
struct Self {
    tlog::VerifierKey key;
    std::string run;
};

/// What an answer makes of a link. `wanted`: the configured key, if any.
Link judge(const NodeText& node, const Self& self, const std::optional<tlog::VerifierKey>& wanted);

/// By how much the clocks of these nodes are ahead of this one's, if at least two of them, and more
/// than half, agree that it is wrong; else 0.
std::chrono::milliseconds own_clock_error(std::vector<std::chrono::milliseconds> ahead);

/// How long until a link is looked at again, without jitter: 30 s, sooner after the first failures.
std::chrono::milliseconds pause_after(const Link& link);

}  // namespace aptward::peer
