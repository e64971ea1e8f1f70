// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What other nodes may ask for: requests and bytes by address, so that a greedy one waits and the
// others do not. Pure but for its lock; private to peer/.

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"

namespace aptward::peer {

/// What an address may have in a second, and at once after a pause.
inline constexpr double kRequestsPerSecond = 500, kRequestsAtOnce = 5000;  // guesses
inline constexpr double kSecondsOfBytesAtOnce = 10;

/// Any thread.
class Budgets {
public:
    enum class Answer { granted, refused, refused_anew };

    /// Bytes per second for each address; 0: no limit.
    void use(std::uint64_t bytes_per_s);

    /// Counts a request. `refused_anew`: it is the first refusal to this address for a minute.
    Answer ask(const std::string& address, SteadyTime now);
    /// What it was given, which may put it in debt: the next request waits until that is paid.
    void spend(const std::string& address, std::uint64_t bytes);

private:
    struct Level {
        double requests, bytes;
        SteadyTime filled{}, told{};
    };
    void fill(Level& level, SteadyTime now) const;
    void make_room(SteadyTime now);

    std::mutex mutex_;
    double bytes_per_s_ = 0;
    std::map<std::string, Level> levels_;
};

}  // namespace aptward::peer
