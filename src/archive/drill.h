// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// A drill: for a while, sources of an archive behave as in an outage. Nothing of the node's state
// knows of it but the events (docs/decisions/0022-drills.md).

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "archive/archive.h"
#include "fetch/disturbance.h"

namespace aptward::archive {

inline constexpr std::chrono::seconds kLongestDrill{3600};

struct DrillOrder {
    fetch::Disturbance::Kind kind = fetch::Disturbance::Kind::refuse;
    fetch::Disturbed whom;
    bool is_alone = false;  ///< Other nodes and the blob service give the archive nothing either.
    std::chrono::seconds limit{60};  ///< Then it ends by itself: nobody may be left to end it.
    std::string who;
};

struct RunningDrill {
    std::int64_t number = 0;  ///< Of the drills of this process.
    std::string archive, kind, who;
    std::vector<std::string> sources;  ///< That are disturbed.
    bool is_alone = false;
    bool has_others = false;  ///< Somebody besides the sources may give what is wanted.
    SystemTime since{}, until{};
};
using RunningDrillPtr = std::shared_ptr<const RunningDrill>;

/// One drill at a time. Lives on the control loop, but for running().
class Drill {
public:
    explicit Drill(Services& services) : services_(services) {}

    /// Fails with unavailable when another one runs; malformed when lies would be believed, or no
    /// source is meant.
    http::Task<RunningDrillPtr> start(std::shared_ptr<Archive> archive, DrillOrder order);

    /// Ends the drill of that number; 0: whichever runs. The sources are asked again at once. How
    /// many transfers met it. Fails with not_found when it does not run.
    http::Task<std::uint64_t> end(std::int64_t number, std::string who);

    /// Null when there is none. Any thread.
    RunningDrillPtr running() const { return running_.load(); }

private:
    Result<void> check(const Archive& archive, const DrillOrder& order) const;
    http::Async<void> end_in_time(std::int64_t number, SteadyTime time);
    static http::Async<void> look_again(std::shared_ptr<Archive> archive);
    void tell(const char* code, const RunningDrill& drill, std::string who,
              const std::string& more) const;

    Services& services_;
    std::atomic<RunningDrillPtr> running_;
    std::shared_ptr<Archive> archive_;  // of the running one, as the next
    std::shared_ptr<fetch::Disturbance> disturbance_;
    bool is_starting_ = false;
    std::int64_t last_number_ = 0;
};

}  // namespace aptward::archive
