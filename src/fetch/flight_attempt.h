// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// One source that is asked for the bytes of a flight. Private to fetch/.

#include <optional>
#include <string>
#include <utility>

#include "fetch/flight_run.h"
#include "fetch/pull.h"

namespace aptward::fetch {

struct FlightRun::Attempt : PullEvents {
    Attempt(FlightRun& owner, const Offer& from, std::size_t path)
        : run(owner), offer(from), source(from.source), path_index(path)
    {
    }

    void on_sign(std::uint64_t bytes) override { run.on_sign(*this, bytes); }
    bool on_head(const http::UpstreamHead& head) override { return run.on_head(*this, head); }
    bool on_body(std::string_view bytes) override { return run.on_body(*this, bytes); }
    void on_complete() override { run.on_complete(*this); }
    void on_fault(Fault fault, std::string message) override
    {
        run.fail(*this, fault, std::move(message));
    }

    /// The name may stand for other bytes at this source; one that says the hash may not.
    bool may_be_mixed() const
    {
        return offer.is_mutable_name &&
               ("/" + offer.paths[path_index]).find("/by-hash/") == std::string::npos;
    }

    /// In bytes/s; the next window starts.
    double rate_of_window(SteadyTime now)
    {
        const double seconds = std::chrono::duration<double>(now - window_start).count();
        window_start = now;
        return static_cast<double>(std::exchange(window_bytes, 0)) / seconds;
    }

    FlightRun& run;
    const Offer& offer;
    SourcePtr source;
    std::size_t path_index;
    std::shared_ptr<Pull> pull;
    std::uint64_t position = 0;  // of the next byte it will deliver
    std::uint64_t delivered = 0;
    SteadyTime started = steady_now();
    SteadyTime last_sign = started;  // of a delegate
    std::uint64_t signalled = 0;     // bytes that it says it has
    std::optional<SteadyTime> head_at;
    std::optional<SteadyTime> ended;  // with the last byte
    SteadyTime window_start{};
    std::uint64_t window_bytes = 0;
};

}  // namespace aptward::fetch
