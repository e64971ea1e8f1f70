// SPDX-License-Identifier: GPL-3.0-or-later
// What time tells of a flight: sources that are silent or slow, clients that are gone.
#include <fmt/format.h>

#include <algorithm>

#include "fetch/flight_attempt.h"

namespace aptward::fetch {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTick{50};
constexpr milliseconds kNoHead{6000};          // a source that is silent so long is charged
constexpr milliseconds kNoRescue{2500};        // a silent rescue makes way for another one
constexpr milliseconds kRateWindow{700};       // a trickle shows within this
constexpr double kSlowestAlone = 1024;         // bytes/s below which even the only source is slow
constexpr double kSlowestBesideOthers = 64e3;  // when another source could be asked
constexpr double kShareOfOthers = 0.1;         // of the rate that others have shown
// A near peer answers at once, or says that it fetches. Less than a client is told to wait.
// Guesses.
constexpr milliseconds kSilentNear{1000};
constexpr milliseconds kPatience{6000};
// What a delegate passes on comes over a line that carries other files for others as well.
constexpr double kShareOfADelegate = 0.05, kSlowestDelegate = 16e3;
constexpr milliseconds kGiveUp{25'000};  // without any progress
// More than apt waits before it asks again after "still being fetched".
constexpr milliseconds kNobody{10'000};

}  // namespace

void FlightRun::tick()
{
    retired_.clear();  // timers run outside every callback
    if (is_over_)
        return;
    const SteadyTime now = steady_now();
    if (now - last_progress_ > kGiveUp && is_being_written())
        give_up_for_want_of_room("the disk did not take this file within 25 s");
    else if (now - last_progress_ > kGiveUp)
        give_up(last_failure_.empty() ? "no source delivered a byte" : last_failure_);
    if (is_over_)
        return;
    if (is_forsaken(now))
        return forsake();
    join(fetcher_.take_joining(*flight_));
    if (!is_being_written()) {
        watch_rescue(now);
        watch_first_byte(now);
        watch_rate(now);
    }
    fetcher_.client().at(now + kTick, [self = shared_from_this()] { self->tick(); });
}

// Its clients are gone, and less than half of it has come.
bool FlightRun::is_forsaken(SteadyTime now)
{
    if (fetcher_.is_wanted(flight_))
        last_wanted_ = now;
    return now - last_wanted_ > kNobody && taken_ <= digest_.size_bytes / 2 &&
           fetcher_.leave_unwanted(flight_);
}

void FlightRun::forsake()
{
    end(Error(Errc::unavailable, "nobody waits for it any more"));
}

// What it says counts for so long: it proves nothing.
bool FlightRun::is_patient_with(const Attempt& attempt, SteadyTime now)
{
    return attempt.offer.is_delegate() && now - attempt.started < kPatience;
}

// How long it has brought nothing, nor a sign that counts.
milliseconds FlightRun::silence_of(const Attempt& attempt, SteadyTime now)
{
    const SteadyTime since = is_patient_with(attempt, now) ? attempt.last_sign : attempt.started;
    return std::chrono::duration_cast<milliseconds>(now - since);
}

void FlightRun::watch_first_byte(SteadyTime now)
{
    if (!lead_ || lead_->delivered > 0)
        return;
    const Offer& offer = lead_->offer;
    const bool is_near = offer.turn == Turn::first || offer.is_delegate();
    const milliseconds silence = silence_of(*lead_, now);
    const milliseconds delay = is_near ? kSilentNear : lead_->source->hedge_delay();
    // Where one near peer is silent, others may be behind the same cut.
    if (!rescue_ && silence > delay)
        start_rescue(lead_->signalled > 0 ? "has it not yet" : "has not answered yet",
                     is_near ? Whom::upstreams : Whom::all);
    // A delegate that still says it fetches may be all there is.
    const bool says_so = offer.is_delegate() && now - lead_->last_sign < kNoHead;
    if (silence > kNoHead && !says_so)
        fail(*lead_, Fault::stalled, "no byte within 6 s");
}

// A rescue that brings nothing must not keep the others from being asked.
void FlightRun::watch_rescue(SteadyTime now)
{
    if (!rescue_)
        return;
    if (rescue_->delivered == 0) {
        const milliseconds limit = next_offer() != nullptr ? kNoRescue : kNoHead;
        if (silence_of(*rescue_, now) > limit)
            fail(*rescue_, Fault::stalled, fmt::format("no byte within {} ms", limit.count()));
        return;
    }
    // Without ranges it has to catch up first.
    if (now - rescue_->window_start < kRateWindow)
        return;
    const double rate = rescue_->rate_of_window(now);
    if (rate < kSlowestBesideOthers)
        fail(*rescue_, Fault::slow, fmt::format("only {:.0f} bytes/s", rate));
}

void FlightRun::watch_rate(SteadyTime now)
{
    if (!lead_ || lead_->delivered == 0 || now - lead_->window_start < kRateWindow)
        return;
    const double rate = lead_->rate_of_window(now);
    // What is small a delegate gives when it has all of it, as fast as any near peer.
    const bool passes_on = lead_->offer.is_delegate() && digest_.size_bytes >= kStreamedFrom;
    const Whom whom = lead_->offer.is_delegate() ? Whom::upstreams : Whom::all;
    const Offer* const other = next_offer(whom);
    const double least = passes_on ? kSlowestDelegate : kSlowestBesideOthers;
    const double share = passes_on ? kShareOfADelegate : kShareOfOthers;
    const double wanted =
        other ? std::max(least, other->source->rate_bytes_per_s() * share) : kSlowestAlone;
    if (rate >= wanted)
        return;
    if (takes_all_from_one_ && other)
        return fail(*lead_, Fault::slow, fmt::format("only {:.0f} bytes/s", rate));
    if (!rescue_ && other)
        start_rescue(fmt::format("delivers only {:.0f} bytes/s", rate), whom);
    else if (!rescue_ && now - lead_->started > kNoHead)
        fail(*lead_, Fault::slow, fmt::format("only {:.0f} bytes/s", rate));
}

}  // namespace aptward::fetch
