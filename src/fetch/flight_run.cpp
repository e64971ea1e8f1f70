// SPDX-License-Identifier: GPL-3.0-or-later
#include "fetch/flight_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "fetch/flight_attempt.h"

namespace aptward::fetch {
namespace {

using std::chrono::milliseconds;

// A peer that has no such file, gives it to nobody, or has enough to do.
bool is_no_gift(int status)
{
    return status == 403 || status == 404 || status == 410 || status == 429;
}

constexpr int kRounds = 2;
constexpr milliseconds kRoundPause{300};
// Of near peers; guesses.
constexpr double kNearEnough = 50, kSlowerAtMost = 4, kFarAway = 1e5;  // milliseconds, times
constexpr milliseconds kLongRefusal{300};

}  // namespace

FlightRun::FlightRun(Fetcher& fetcher, std::shared_ptr<Flight> flight)
    : fetcher_(fetcher),
      flight_(std::move(flight)),
      file_(std::make_shared<FlightFile>(fetcher, flight_)),
      digest_(flight_->digest())
{
    join(fetcher_.take_joining(*flight_));
    const bool is_index = !offers_.empty() && offers_.front().is_mutable_name;
    lane_ = archive() + (is_index ? " indexes" : "");
}

FlightRun::~FlightRun() = default;

void FlightRun::start(std::string lane)
{
    lane_ = std::move(lane);
    if (fetcher_.leave_unwanted(flight_))  // it had to wait too long
        return forsake();
    last_progress_ = last_wanted_ = steady_now();
    join(fetcher_.take_joining(*flight_));
    file_->start(weak_from_this(), archive());
    if (offers_.empty())
        return give_up("no source is configured");
    if (digest_.size_bytes == 0) {  // nobody is asked for nothing
        lead_ = std::make_unique<Attempt>(*this, offers_.front(), 0);
        take(*lead_, "");
    } else {
        start_lead();
    }
    tick();
}

// True when a source came that was not known before.
bool FlightRun::join(std::vector<Want> wants)
{
    const std::size_t before = offers_.size();
    for (Want& want : wants) {
        for (std::size_t i = 0; i < want.sources.size(); ++i)
            join({want.sources[i], want.paths, want.archive, want.is_mutable_name,
                  i == 0 ? want.lent : nullptr, Turn::ranked, !want.is_read_whole});
        for (Want::Elsewhere& place : want.elsewhere)
            join({place.source, std::move(place.paths), want.archive,
                  want.is_mutable_name && !place.source->is_holder(), nullptr, place.turn,
                  !want.is_read_whole, place.has_said_so});
    }
    return offers_.size() > before;
}

void FlightRun::join(Offer offer)
{
    const auto known = std::find_if(offers_.begin(), offers_.end(), [&](const Offer& one) {
        return one.source == offer.source && one.is_delegate() == offer.is_delegate();
    });
    if (known == offers_.end()) {
        offer.order = static_cast<double>(offers_.size());
        offers_.push_back(std::move(offer));
        return;
    }
    known->is_passed_on = known->is_passed_on || offer.is_passed_on;
    for (std::string& path : offer.paths)
        if (std::find(known->paths.begin(), known->paths.end(), path) == known->paths.end())
            known->paths.push_back(std::move(path));
}

// The first that wanted it; for events that concern no source.
const std::string& FlightRun::archive() const
{
    static const std::string kNone;
    return offers_.empty() ? kNone : offers_.front().archive;
}

// The order in which offers are taken, the smallest first. Ranks are milliseconds, and beyond 1e9
// where a breaker is open: those come last of all.
double FlightRun::score_of(const Offer& offer, SteadyTime now) const
{
    constexpr double kFirst = -3e8, kService = -2e8, kDelegate = -1e8;
    constexpr double kLater = 1e8, kLast = 5e8;
    const Source& source = *offer.source;
    const double rank = source.rank(digest_.size_bytes - taken_, now);
    if (offer.is_passed_on && digest_.size_bytes >= kStreamedFrom && !source.is_tried())
        return rank + kLater;
    if (offer.has_said_so && !source.keeps_its_word(now))
        return rank + kLast;
    switch (offer.turn) {
        case Turn::first:
            return rank + (is_near_indeed(offer, now) ? kFirst : 0);
        case Turn::service:
            return rank + (is_near_indeed(offer, now) ? kService : 0);
        case Turn::delegate:  // one order on all nodes, whatever each has measured
            if (source.is_open(now) || !source.keeps_its_word(now))
                return rank + kLater;
            return offer.order + kDelegate;
        case Turn::ranked:
            return rank;
        case Turn::last:
            break;
    }
    return rank + kLast;
}

// Near ones come first, but not those that turned out slow.
bool FlightRun::is_near_indeed(const Offer& offer, SteadyTime now) const
{
    const std::uint64_t left = digest_.size_bytes - taken_;
    double best = kFarAway;
    for (const Offer& other : offers_)
        if (!other.source->is_holder())
            best = std::min(best, other.source->rank(left, now));
    return offer.source->rank(left, now) <= std::max(kNearEnough, best * kSlowerAtMost);
}

const FlightRun::Offer* FlightRun::next_offer(Whom whom) const
{
    const SteadyTime now = steady_now();
    const Offer* best = nullptr;
    double best_score = 0;
    for (const Offer& offer : offers_) {
        const bool is_asked = (lead_ && lead_->source == offer.source) ||
                              (rescue_ && rescue_->source == offer.source);
        if (is_asked || tried_.count(&offer) > 0 || liars_.count(offer.source.get()) > 0 ||
            (whom == Whom::upstreams && offer.source->is_holder()))
            continue;
        const double score = score_of(offer, now);
        if (best == nullptr || score < best_score) {
            best = &offer;
            best_score = score;
        }
    }
    return best;
}

FlightRun::AttemptPtr FlightRun::begin(const Offer& offer, std::size_t path_index)
{
    tried_.insert(&offer);
    auto attempt = std::make_unique<Attempt>(*this, offer, path_index);
    attempt->position = takes_all_from_one_ ? 0 : taken_;
    PullRequest request;
    request.source = offer.source;
    request.path = offer.paths[path_index];
    request.digest = digest_;
    if (attempt->position > 0)
        request.from = attempt->position;
    request.lent = offer.lent;
    if (offer.is_delegate())
        request.header_lines.push_back(std::string(kFetchHeader) + ": 1");
    attempt->pull = Pull::start(fetcher_.client(), std::move(request), *attempt);
    return attempt;
}

bool FlightRun::start_lead()
{
    const Offer* const offer = next_offer();
    if (offer == nullptr)
        return false;
    if (takes_all_from_one_ && taken_ > 0) {
        throw_away();
        begin_epoch();
    }
    lead_ = begin(*offer, 0);
    return true;
}

void FlightRun::start_rescue(std::string_view why, Whom whom)
{
    const Offer* const offer = next_offer(whom);
    if (offer == nullptr)
        return;
    fetcher_.event("fetch.hedged", offer->archive, offer->source,
                   fmt::format("asked as well, because {} {}", lead_->source->url(), why));
    rescue_ = begin(*offer, 0);
}

// What it says it has counts as progress while it is believed, and as no more than that.
void FlightRun::on_sign(Attempt& attempt, std::uint64_t bytes)
{
    attempt.last_sign = steady_now();
    if (bytes > attempt.signalled && is_patient_with(attempt, attempt.last_sign))
        last_progress_ = attempt.last_sign;
    attempt.signalled = std::max(attempt.signalled, bytes);
}

bool FlightRun::on_head(Attempt& attempt, const http::UpstreamHead& head)
{
    const std::uint64_t size = digest_.size_bytes;
    const SteadyTime now = steady_now();
    if (attempt.source->is_service() && head.status == 403 &&
        !attempt.source->denies_what_it_lacks()) {
        fail(attempt, Fault::denied, "it answered 403");
        return false;
    }
    if (attempt.source->is_holder() && is_no_gift(head.status)) {
        attempt.source->answered(std::chrono::duration_cast<milliseconds>(now - attempt.started));
        attempt.source->lacked();
        note_refusal(attempt, head.status, now);
        if (!try_next_name(attempt))
            move_on(attempt);
        return false;
    }
    if (head.status == 404 || head.status == 410) {
        fail(attempt, Fault::missing, fmt::format("it answered {}", head.status));
        return false;
    }
    if (head.status == 429 || head.status >= 500) {
        fail(attempt, Fault::failing, fmt::format("it answered {}", head.status));
        return false;
    }
    if (head.status != 200 && head.status != 206) {
        // An unasked 304 is as useless here as any other answer (A21).
        fail(attempt, Fault::denied, fmt::format("it answered {}", head.status));
        return false;
    }
    if (head.status == 206) {
        if (head.range_first != attempt.position || head.range_total.value_or(size) != size) {
            fail(attempt, Fault::wrong_size, "it answered with another range than asked for");
            return false;
        }
    } else {
        attempt.position = 0;  // no ranges there: what we have is skipped in on_body
        if (head.content_length && *head.content_length != size) {
            fail(attempt, attempt.may_be_mixed() ? Fault::mixed : Fault::wrong_size,
                 fmt::format("it offers {} bytes, signed are {}", *head.content_length, size));
            return false;
        }
    }
    attempt.head_at = now;
    attempt.window_start = now;
    attempt.source->answered(std::chrono::duration_cast<milliseconds>(now - attempt.started));
    return true;
}

// One that says it has what it does not give, or has others wait for a refusal, costs them more
// than it is worth.
void FlightRun::note_refusal(Attempt& attempt, int status, SteadyTime now)
{
    const bool is_slow = now - attempt.started > kLongRefusal;
    const bool is_broken_word = attempt.offer.has_said_so && status == 404;
    // An index is asked for while the other node may only be finding out about it.
    const bool is_delay = is_slow && attempt.offer.is_delegate() && attempt.offer.is_passed_on;
    const std::string how =
        is_broken_word ? "it does not give what it says it has" : "it takes long to refuse";
    if ((is_broken_word || is_delay) && attempt.source->broke_its_word(now, how))
        fetcher_.event("peer.unreliable", attempt.offer.archive, attempt.source,
                       how + ": for a while it is asked last, and nothing is left to it");
}

bool FlightRun::on_body(Attempt& attempt, std::string_view bytes)
{
    if (is_over_)
        return false;
    if (attempt.position > taken_) {  // there is no place for these bytes; not its fault
        move_on(attempt);
        return false;
    }
    attempt.window_bytes += bytes.size();
    attempt.delivered += bytes.size();
    if (attempt.position + bytes.size() > digest_.size_bytes) {
        fail(attempt, Fault::wrong_size, "it sends more than was signed");
        return false;
    }
    const std::uint64_t known = std::min<std::uint64_t>(taken_ - attempt.position, bytes.size());
    attempt.position += bytes.size();
    if (&attempt == rescue_.get()) {
        if (attempt.position <= taken_)
            return true;  // not of use yet: the lead is still ahead
        promote_rescue();
    } else if (rescue_ && lead_->delivered == bytes.size()) {
        retire(rescue_);  // the lead spoke first after all
    }
    return take(attempt, bytes.substr(known));
}

void FlightRun::promote_rescue()
{
    const SteadyTime now = steady_now();
    const bool has_signalled = lead_->last_sign > lead_->started;
    const bool was_silent = lead_->delivered == 0 && !has_signalled;
    lead_->source->charge(
        was_silent ? Fault::stalled : Fault::slow,
        was_silent ? "no byte while another source delivered" : "far slower than another source",
        now);
    fetcher_.event(was_silent ? "source.stalled" : "source.slow", lead_->offer.archive,
                   lead_->source,
                   fmt::format("{} took over at byte {}", rescue_->source->url(), taken_));
    retire(lead_);
    lead_ = std::move(rescue_);
}

void FlightRun::on_complete(Attempt& attempt)
{
    fail(attempt, Fault::truncated,
         fmt::format("it ended at byte {} of {}", attempt.position, digest_.size_bytes));
}

// Without by-hash names at a source, its canonical name may still have the bytes.
bool FlightRun::try_next_name(Attempt& attempt)
{
    if (attempt.path_index + 1 >= attempt.offer.paths.size())
        return false;
    AttemptPtr& slot = &attempt == rescue_.get() ? rescue_ : lead_;
    const std::size_t next_path = attempt.path_index + 1;
    retire(slot);
    slot = begin(attempt.offer, next_path);
    return true;
}

void FlightRun::fail(Attempt& attempt, Fault fault, std::string message)
{
    if (is_over_)
        return;
    const SourcePtr source = attempt.source;
    if (fault == Fault::missing && try_next_name(attempt))
        return;
    source->charge(fault, message, steady_now());
    if (fault == Fault::missing && !source->is_holder())
        ++missing_;
    last_failure_ = fmt::format("{}: {}", source->url(), message);
    const bool is_refused =
        fault == Fault::wrong_bytes || fault == Fault::wrong_size || fault == Fault::mixed;
    showed_others_ = showed_others_ || (is_refused && !source->is_holder());
    if (is_refused && source->settings().spoilt)
        source->settings().spoilt(digest_);
    if (!source->is_service() || is_refused)  // how a service is, its keeper tells
        fetcher_.event(fmt::format("source.{}", to_string(fault)), attempt.offer.archive, source,
                       fmt::format("{}: {}", attempt.offer.paths[attempt.path_index], message),
                       is_refused ? digest_.hex() : std::string());
    move_on(attempt);
}

// Every upstream has said that it has no such file, nobody is left to ask, and the lead has brought
// signs at most: what a peer promises does not hold an absence back (law 7).
bool FlightRun::leaves_only_promises()
{
    if (missing_ == 0 || missing_ < count_honest() || next_offer() != nullptr ||
        lead_->delivered > 0 || !lead_->source->is_holder())
        return false;
    retire(lead_);
    return true;
}

// Those whose word on an absence counts.
std::size_t FlightRun::count_honest() const
{
    return static_cast<std::size_t>(
        std::count_if(offers_.begin(), offers_.end(), [this](const Offer& offer) {
            return !offer.source->is_holder() && liars_.count(offer.source.get()) == 0;
        }));
}

// Without this attempt.
void FlightRun::move_on(Attempt& attempt)
{
    if (&attempt == rescue_.get() && !leaves_only_promises())
        return retire(rescue_);
    retire(rescue_.get() == &attempt ? rescue_ : lead_);
    if (rescue_) {
        lead_ = std::move(rescue_);
        return;
    }
    if (!start_lead())
        next_round();
}

void FlightRun::next_round()
{
    const std::size_t honest = count_honest();
    if (missing_ > 0 && missing_ >= honest) {
        if (!goes_on_for_others())
            end(Error(showed_others_ ? Errc::untrusted : Errc::not_found,
                      "no source has it: " + last_failure_));
        return;
    }
    if (++rounds_ >= kRounds || honest == 0)
        return give_up(last_failure_);
    missing_ = 0;
    fetcher_.client().at(steady_now() + kRoundPause, [self = shared_from_this()] {
        if (self->is_over_ || self->lead_)
            return;
        self->tried_.clear();
        if (!self->start_lead())
            self->give_up(self->last_failure_);
    });
}

// Sources that came with another archive's want have not been asked yet. False: the flight is
// dropped, and nobody joins it any more.
bool FlightRun::goes_on_for_others()
{
    for (;;) {
        auto wants = fetcher_.leave(flight_);
        if (wants.empty())
            return false;
        if (!join(std::move(wants)))
            continue;
        retire(rescue_);
        retire(lead_);
        rounds_ = 0;
        last_progress_ = steady_now();
        if (start_lead())
            return true;
    }
}

void FlightRun::give_up(std::string message)
{
    if (!goes_on_for_others())
        end(Error(showed_others_ ? Errc::untrusted : Errc::unavailable, std::move(message)));
}

void FlightRun::stop()
{
    is_over_ = true;
    retire(rescue_);
    retire(lead_);
    fetcher_.ended(lane_);
}

void FlightRun::end(Error error)
{
    stop();
    file_->close();
    flight_->error_.store(std::make_shared<const Error>(std::move(error)));
    flight_->phase_.store(Flight::Phase::failed, std::memory_order_release);
    fetcher_.drop(flight_);
}

// Neither the disk nor memory takes it, or what the disk took cannot be read back. No source is to
// blame, so none tells of it.
void FlightRun::give_up_for_want_of_room(std::string message)
{
    if (is_over_)
        return;
    fetcher_.event("store.failed", archive(), nullptr, message);
    end(Error(Errc::storage,
              message + ", and what is on its way in memory leaves no room for this file"));
}

void FlightRun::retire(AttemptPtr& attempt)
{
    if (!attempt)
        return;
    if (attempt->pull)
        attempt->pull->stop();
    retired_.push_back(std::move(attempt));
}

}  // namespace aptward::fetch
