// SPDX-License-Identifier: GPL-3.0-or-later
#include "fetch/flight_run.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

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
constexpr int kRounds = 2;
constexpr milliseconds kRoundPause{300};
constexpr milliseconds kGiveUp{25'000};  // without any progress
// More than apt waits before it asks again after "still being fetched".
constexpr milliseconds kNobody{10'000};
constexpr const char* kForsaken = "nobody waits for it any more";

}  // namespace

struct FlightRun::Attempt : PullEvents {
    Attempt(FlightRun& owner, const Offer& from, std::size_t path)
        : run(owner), offer(from), source(from.source), path_index(path)
    {
    }

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
    std::optional<SteadyTime> head_at;
    SteadyTime window_start{};
    std::uint64_t window_bytes = 0;
};

FlightRun::FlightRun(Fetcher& fetcher, std::shared_ptr<Flight> flight)
    : fetcher_(fetcher), flight_(std::move(flight)), digest_(flight_->digest())
{
    if (digest_.algorithm == HashAlgorithm::sha512)
        second_hasher_.emplace(HashAlgorithm::sha512);
    join(fetcher_.take_joining(*flight_));
    const bool is_index = !offers_.empty() && offers_.front().is_mutable_name;
    lane_ = archive() + (is_index ? " indexes" : "");
}

FlightRun::~FlightRun() = default;

void FlightRun::start()
{
    if (fetcher_.leave_unwanted(flight_))  // it had to wait too long
        return end(Error(Errc::unavailable, kForsaken));
    last_progress_ = last_wanted_ = steady_now();
    join(fetcher_.take_joining(*flight_));
    auto staged = fetcher_.blobs().stage();
    if (staged)
        flight_->file_.store(std::make_shared<const Fd>(std::move(*staged)));
    else if (!move_to_memory())
        return give_up_for_want_of_room(staged.error().message());
    if (offers_.empty())
        return give_up("no source is configured");
    if (digest_.size_bytes == 0) {
        Attempt nobody(*this, offers_.front(), 0);
        return finish(nobody);
    }
    start_lead();
    tick();
}

// True when a source came that was not known before.
bool FlightRun::join(std::vector<Want> wants)
{
    const std::size_t before = offers_.size();
    for (Want& want : wants)
        for (std::size_t i = 0; i < want.sources.size(); ++i) {
            const SourcePtr& source = want.sources[i];
            const auto known =
                std::find_if(offers_.begin(), offers_.end(),
                             [&](const Offer& offer) { return offer.source == source; });
            if (known == offers_.end()) {
                offers_.push_back({source, want.paths, want.archive, want.is_mutable_name,
                                   i == 0 ? want.lent : nullptr});
                continue;
            }
            for (const std::string& path : want.paths)
                if (std::find(known->paths.begin(), known->paths.end(), path) == known->paths.end())
                    known->paths.push_back(path);
        }
    return offers_.size() > before;
}

// The first that wanted it; for events that concern no source.
const std::string& FlightRun::archive() const
{
    static const std::string kNone;
    return offers_.empty() ? kNone : offers_.front().archive;
}

const FlightRun::Offer* FlightRun::next_offer() const
{
    const SteadyTime now = steady_now();
    const std::uint64_t left = digest_.size_bytes - written_;
    const Offer* best = nullptr;
    double best_score = 0;
    for (const Offer& offer : offers_) {
        const Source& source = *offer.source;
        if (tried_.count(&source) > 0 || liars_.count(&source) > 0)
            continue;
        const double score = source.expected_ms(left) + (source.is_open(now) ? 1e9 : 0);
        if (best == nullptr || score < best_score) {
            best = &offer;
            best_score = score;
        }
    }
    return best;
}

FlightRun::AttemptPtr FlightRun::begin(const Offer& offer, std::size_t path_index)
{
    tried_.insert(offer.source.get());
    auto attempt = std::make_unique<Attempt>(*this, offer, path_index);
    attempt->position = takes_all_from_one_ ? 0 : written_;
    PullRequest request;
    request.source = offer.source;
    request.path = offer.paths[path_index];
    if (attempt->position > 0)
        request.from = attempt->position;
    request.lent = offer.lent;
    attempt->pull = Pull::start(fetcher_.client(), std::move(request), *attempt);
    return attempt;
}

bool FlightRun::start_lead()
{
    const Offer* const offer = next_offer();
    if (offer == nullptr)
        return false;
    if (takes_all_from_one_ && written_ > 0) {
        throw_away();
        begin_epoch();
    }
    lead_ = begin(*offer, 0);
    return true;
}

void FlightRun::start_rescue(std::string_view why)
{
    const Offer* const offer = next_offer();
    if (offer == nullptr)
        return;
    fetcher_.event("fetch.hedged", offer->archive, offer->source,
                   fmt::format("asked as well, because {} {}", lead_->source->url(), why));
    rescue_ = begin(*offer, 0);
}

bool FlightRun::on_head(Attempt& attempt, const http::UpstreamHead& head)
{
    const std::uint64_t size = digest_.size_bytes;
    const SteadyTime now = steady_now();
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

bool FlightRun::on_body(Attempt& attempt, std::string_view bytes)
{
    if (is_over_)
        return false;
    if (attempt.position > written_) {  // there is no place for these bytes; not its fault
        move_on(attempt);
        return false;
    }
    attempt.window_bytes += bytes.size();
    attempt.delivered += bytes.size();
    if (attempt.position + bytes.size() > digest_.size_bytes) {
        fail(attempt, Fault::wrong_size, "it sends more than was signed");
        return false;
    }
    const std::uint64_t known = std::min<std::uint64_t>(written_ - attempt.position, bytes.size());
    attempt.position += bytes.size();
    if (&attempt == rescue_.get()) {
        if (attempt.position <= written_)
            return true;  // not of use yet: the lead is still ahead
        promote_rescue();
    } else if (rescue_ && lead_->delivered == bytes.size()) {
        retire(rescue_);  // the lead spoke first after all
    }
    return write(attempt, bytes.substr(known));
}

void FlightRun::promote_rescue()
{
    const SteadyTime now = steady_now();
    const bool was_silent = !lead_->head_at || lead_->delivered == 0;
    lead_->source->charge(
        was_silent ? Fault::stalled : Fault::slow,
        was_silent ? "no byte while another source delivered" : "far slower than another source",
        now);
    fetcher_.event(was_silent ? "source.stalled" : "source.slow", lead_->offer.archive,
                   lead_->source,
                   fmt::format("{} took over at byte {}", rescue_->source->url(), written_));
    retire(lead_);
    lead_ = std::move(rescue_);
}

bool FlightRun::write(Attempt& attempt, std::string_view bytes)
{
    auto written = write_all_at(flight_->file()->get(), bytes, written_);
    if (!written && move_to_memory())
        written = write_all_at(flight_->file()->get(), bytes, written_);
    if (!written) {
        give_up_for_want_of_room(written.error().message());
        return false;
    }
    hasher_.update(bytes);
    if (second_hasher_)
        second_hasher_->update(bytes);
    givers_.insert(attempt.source.get());
    written_ += bytes.size();
    last_progress_ = steady_now();
    flight_->available_.store(written_, std::memory_order_release);
    flight_->wake();
    if (written_ < digest_.size_bytes)
        return true;
    finish(attempt);  // not waiting for the connection's own end
    return false;
}

// The disk is full or broken: what is on its way still reaches the clients, uncached (R4, I6).
bool FlightRun::move_to_memory()
{
    auto room = fetcher_.take_memory(digest_.size_bytes);
    if (room == nullptr)
        return false;
    Fd memory(::memfd_create("aptward-flight", MFD_CLOEXEC));
    if (!memory)
        return false;
    const auto old = flight_->file();
    std::string buffer(1 << 20, '\0');
    for (std::uint64_t done = 0; old && done < written_;) {
        const std::span<char> part(buffer.data(), static_cast<std::size_t>(std::min<std::uint64_t>(
                                                      buffer.size(), written_ - done)));
        if (!read_all_at(old->get(), part, done) ||
            !write_all_at(memory.get(), {part.data(), part.size()}, done))
            return false;
        done += part.size();
    }
    flight_->file_.store(
        std::shared_ptr<const Fd>(new Fd(std::move(memory)), [room](const Fd* file) mutable {
            delete file;
            room.reset();  // only now is the memory free again
        }));
    fetcher_.event("store.full", archive(), nullptr,
                   "the state folder takes no bytes: this file is passed on but not kept");
    return true;
}

void FlightRun::settle_rate(Attempt& attempt)
{
    if (attempt.head_at)
        attempt.source->delivered(
            attempt.delivered,
            std::chrono::duration_cast<milliseconds>(steady_now() - *attempt.head_at),
            Source::Proof::digest);
}

void FlightRun::finish(Attempt& attempt)
{
    std::vector<Digest> proven = {hasher_.digest()};
    if (second_hasher_)
        proven.push_back(second_hasher_->digest());
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
    tried_.clear();
    missing_ = 0;
    throw_away();
    fail(attempt,
         attempt.may_be_mixed() ? Fault::mixed : (is_lie ? Fault::wrong_bytes : Fault::slow),
         is_lie
             ? fmt::format("its bytes hash to {}, signed is {}", proven.back().hex(), digest_.hex())
             : "one of several sources gave wrong bytes: all is taken from one now");
    begin_epoch();
}

// A rescue would go on in the middle of what is gone: it ends too.
void FlightRun::throw_away()
{
    retire(rescue_);
    hasher_ = crypto::Hasher();
    if (second_hasher_)
        second_hasher_.emplace(HashAlgorithm::sha512);
    givers_.clear();
    written_ = 0;
    flight_->available_.store(0, std::memory_order_release);
}

// Cuts the clients that have some of what was thrown away. Last of all: one that asks again at once
// must not join a flight that is about to give up.
void FlightRun::begin_epoch()
{
    flight_->epoch_.fetch_add(1, std::memory_order_release);
    flight_->wake();
}

void FlightRun::on_complete(Attempt& attempt)
{
    fail(attempt, Fault::truncated,
         fmt::format("it ended at byte {} of {}", attempt.position, digest_.size_bytes));
}

void FlightRun::fail(Attempt& attempt, Fault fault, std::string message)
{
    if (is_over_)
        return;
    const SourcePtr source = attempt.source;
    // Without by-hash names at a source, its canonical name may still have the bytes.
    if (fault == Fault::missing && attempt.path_index + 1 < attempt.offer.paths.size()) {
        AttemptPtr& slot = &attempt == rescue_.get() ? rescue_ : lead_;
        const std::size_t next_path = attempt.path_index + 1;
        retire(slot);
        slot = begin(attempt.offer, next_path);
        return;
    }
    source->charge(fault, message, steady_now());
    if (fault == Fault::missing)
        ++missing_;
    last_failure_ = fmt::format("{}: {}", source->url(), message);
    const bool is_refused =
        fault == Fault::wrong_bytes || fault == Fault::wrong_size || fault == Fault::mixed;
    fetcher_.event(fmt::format("source.{}", to_string(fault)), attempt.offer.archive, source,
                   fmt::format("{}: {}", attempt.offer.paths[attempt.path_index], message),
                   is_refused ? digest_.hex() : std::string());
    move_on(attempt);
}

// Without this attempt.
void FlightRun::move_on(Attempt& attempt)
{
    if (&attempt == rescue_.get())
        return retire(rescue_);
    retire(lead_);
    if (rescue_) {
        lead_ = std::move(rescue_);
        return;
    }
    if (!start_lead())
        next_round();
}

void FlightRun::next_round()
{
    const std::size_t honest = offers_.size() - liars_.size();
    if (missing_ > 0 && missing_ >= honest) {
        if (!goes_on_for_others())
            end(Error(Errc::not_found, "no source has it: " + last_failure_));
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
        end(Error(Errc::unavailable, std::move(message)));
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
    flight_->error_.store(std::make_shared<const Error>(std::move(error)));
    flight_->phase_.store(Flight::Phase::failed, std::memory_order_release);
    fetcher_.drop(flight_);
}

// Neither the disk nor memory takes it, or what the disk took cannot be read back. No source is to
// blame, so none tells of it.
void FlightRun::give_up_for_want_of_room(std::string message)
{
    fetcher_.event("store.failed", archive(), nullptr, message);
    end(Error(Errc::storage,
              message + ", and what is on its way in memory leaves no room for this file"));
}

void FlightRun::retire(AttemptPtr& attempt)
{
    if (!attempt)
        return;
    attempt->pull->stop();
    retired_.push_back(std::move(attempt));
}

void FlightRun::tick()
{
    retired_.clear();  // timers run outside every callback
    if (is_over_)
        return;
    const SteadyTime now = steady_now();
    if (now - last_progress_ > kGiveUp)
        give_up(last_failure_.empty() ? "no source delivered a byte" : last_failure_);
    if (is_over_)
        return;
    if (is_forsaken(now))
        return end(Error(Errc::unavailable, kForsaken));
    join(fetcher_.take_joining(*flight_));
    watch_rescue(now);
    watch_first_byte(now);
    watch_rate(now);
    fetcher_.client().at(now + kTick, [self = shared_from_this()] { self->tick(); });
}

// Its clients are gone, and less than half of it has come.
bool FlightRun::is_forsaken(SteadyTime now)
{
    if (fetcher_.is_wanted(flight_))
        last_wanted_ = now;
    return now - last_wanted_ > kNobody && written_ <= digest_.size_bytes / 2 &&
           fetcher_.leave_unwanted(flight_);
}

void FlightRun::watch_first_byte(SteadyTime now)
{
    if (!lead_ || lead_->delivered > 0)
        return;
    if (now - lead_->started > kNoHead)
        return fail(*lead_, Fault::stalled, "no byte within 6 s");
    if (!rescue_ && now - lead_->started > lead_->source->hedge_delay())
        start_rescue("has not answered yet");
}

// A rescue that brings nothing must not keep the others from being asked.
void FlightRun::watch_rescue(SteadyTime now)
{
    if (!rescue_)
        return;
    if (rescue_->delivered == 0) {
        const milliseconds limit = next_offer() != nullptr ? kNoRescue : kNoHead;
        if (now - rescue_->started > limit)
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
    const Offer* const other = next_offer();
    const double wanted =
        other ? std::max(kSlowestBesideOthers, other->source->rate_bytes_per_s() * kShareOfOthers)
              : kSlowestAlone;
    if (rate >= wanted)
        return;
    if (takes_all_from_one_ && other)
        return fail(*lead_, Fault::slow, fmt::format("only {:.0f} bytes/s", rate));
    if (!rescue_ && other)
        start_rescue(fmt::format("delivers only {:.0f} bytes/s", rate));
    else if (!rescue_ && now - lead_->started > kNoHead)
        fail(*lead_, Fault::slow, fmt::format("only {:.0f} bytes/s", rate));
}

}  // namespace aptward::fetch
