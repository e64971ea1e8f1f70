// SPDX-License-Identifier: GPL-3.0-or-later
// The bytes of a flight: handed to its file as they come, believed or thrown away at the end.
#include <fmt/format.h>

#include <algorithm>

#include "fetch/flight_attempt.h"

namespace aptward::fetch {

using std::chrono::milliseconds;

// False: all of them are here, not waiting for the connection's own end. The writer tells the rest.
bool FlightRun::take(Attempt& attempt, std::string_view bytes)
{
    givers_.insert(attempt.source.get());
    if (!attempt.offer.is_passed_on && !attempt.source->is_tried())
        flight_->is_doubtful_ = true;  // whoever joins now waits for the rest of it
    taken_ += bytes.size();
    last_progress_ = steady_now();
    if (const auto taken = file_->take(bytes); !taken) {
        give_up_for_want_of_room(taken.error().message());
        return false;
    }
    if (taken_ < digest_.size_bytes)
        return true;
    attempt.ended = last_progress_;
    retire(rescue_);
    return false;
}

// All bytes have come, and it is its own disk that it waits for.
bool FlightRun::is_being_written() const
{
    return lead_ && lead_->ended;
}

void FlightRun::settle_rate(Attempt& attempt)
{
    if (attempt.head_at)
        attempt.source->delivered(
            attempt.delivered,
            std::chrono::duration_cast<milliseconds>(*attempt.ended - *attempt.head_at),
            Source::Proof::digest);
}

void FlightRun::finish(const std::vector<Digest>& proven)
{
    if (is_over_)
        return;
    Attempt& attempt = *lead_;  // while the writer is at the last bytes, nothing replaces it
    if (std::find(proven.begin(), proven.end(), digest_) != proven.end()) {
        settle_rate(attempt);
        flight_->source_.store(std::make_shared<const std::string>(attempt.source->url()));
        stop();
        return fetcher_.land(flight_, proven, attempt.offer.archive);
    }
    const bool is_lie = givers_.size() <= 1;
    fetcher_.note_wrong(digest_);
    if (is_lie)
        liars_.insert(attempt.source.get());
    else
        takes_all_from_one_ = true;
    const bool is_of_peers = !is_lie && suspect_peers();
    tried_.clear();
    missing_ = 0;
    throw_away();
    if (is_of_peers && !attempt.source->is_holder())
        move_on(attempt);  // it may go on where a peer had lied
    else
        fail(attempt,
             attempt.may_be_mixed() ? Fault::mixed : (is_lie ? Fault::wrong_bytes : Fault::slow),
             is_lie ? fmt::format("its bytes hash to {}, signed is {}", proven.back().hex(),
                                  digest_.hex())
                    : "one of several sources gave wrong bytes: all is taken from one now");
    begin_epoch();
}

// Which of several lied is not known: the peers among them are not asked again in this flight, and
// for a while stream nothing.
bool FlightRun::suspect_peers()
{
    bool is_any = false;
    for (const Offer& offer : offers_)
        if (offer.source->is_holder() && givers_.count(offer.source.get()) > 0) {
            liars_.insert(offer.source.get());
            offer.source->suspect(steady_now());
            is_any = true;
        }
    return is_any;
}

// A rescue would go on in the middle of what is gone: it ends too.
void FlightRun::throw_away()
{
    retire(rescue_);
    file_->start_over();
    givers_.clear();
    taken_ = 0;
    flight_->is_doubtful_ = false;
}

// Cuts the clients that have some of what was thrown away. Last of all: one that asks again at once
// must not join a flight that is about to give up.
void FlightRun::begin_epoch()
{
    flight_->epoch_.fetch_add(1, std::memory_order_release);
    flight_->wake();
}

}  // namespace aptward::fetch
