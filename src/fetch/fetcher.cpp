// SPDX-License-Identifier: GPL-3.0-or-later
#include "fetch/fetch.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

#include "fetch/flight_run.h"

namespace aptward::fetch {
namespace {

constexpr std::chrono::hours kWrongIsRemembered{1};
constexpr long kOwners = 3;  // of a flight that nobody waits for
// Each takes a descriptor of the disk and one or two of the network. An archive whose sources are
// silent must not keep the others waiting, nor its clients those who need its indexes. Guesses.
constexpr std::size_t kMostRunning = 256;
constexpr std::size_t kMostOfOneLane = 64;
// What only other nodes want comes in lanes of its own; half of all are left to what is wanted
// here.
constexpr std::size_t kMostOfOneForOthers = 32, kMostWithOthers = kMostRunning / 2;
constexpr std::size_t kMostFlightsWithOthers = 1024;
constexpr std::size_t kMostFlights = 2048;           // with those that wait
constexpr std::uint64_t kMostMemory = 512ULL << 20;  // of all flights, when the disk is full
constexpr std::uint64_t kMostUnwritten = 4 << 20;    // when the network is faster than the disk
constexpr std::size_t kMostWants = 32;               // archives and names of one digest; guess

// With some on the way it pays to wait for what lands next: clients have the bytes already.
constexpr std::size_t kSomeRunning = 4;
constexpr std::chrono::milliseconds kGather{40};

// Credentials of an archive go with requests for that archive only.
std::string owner_of(const Want& want)
{
    const bool has_credentials =
        want.lent != nullptr ||
        std::any_of(want.sources.begin(), want.sources.end(),
                    [](const SourcePtr& source) { return !source->settings().user.empty(); });
    return has_credentials ? want.archive : std::string();
}

// By which a flight waits for those of other nodes.
bool is_delegate(const Want::Elsewhere& place)
{
    return place.turn == Want::Elsewhere::Turn::delegate;
}

}  // namespace

void Flight::follow(std::shared_ptr<http::Signal> signal)
{
    {
        const std::lock_guard lock(followers_mutex_);
        followers_.push_back(signal);
    }
    signal->notify();  // whatever happened before now is seen at once
}

void Flight::wake()
{
    const std::lock_guard lock(followers_mutex_);
    std::erase_if(followers_, [](const auto& follower) {
        const auto signal = follower.lock();
        if (signal)
            signal->notify();
        return !signal;
    });
}

Fetcher::Fetcher(http::Client& client, std::shared_ptr<store::Blobs> blobs,
                 store::PrivateMarks& private_marks, WorkerPool& workers, EventSink sink)
    : client_(client),
      blobs_(std::move(blobs)),
      private_marks_(private_marks),
      workers_(workers),
      sink_(std::move(sink))
{
}

std::shared_ptr<Flight> Fetcher::fetch(Want want)
{
    std::shared_ptr<Flight> flight;
    bool is_new = false, has_other_lane = false;
    {
        const std::lock_guard lock(mutex_);
        Flight::Key key{want.digest, owner_of(want), false};
        // One that waits for no other node is on its way already: nobody needs to be sent.
        if (flights_.count(key) > 0)
            std::erase_if(want.elsewhere, is_delegate);
        key.delegates = std::any_of(want.elsewhere.begin(), want.elsewhere.end(), is_delegate);
        const std::size_t most = want.is_for_another ? kMostFlightsWithOthers : kMostFlights;
        if (flights_.size() >= most && flights_.count(key) == 0)
            return refused(want.digest);
        auto& slot = flights_[key];
        is_new = slot == nullptr;
        if (is_new)
            slot = std::make_shared<Flight>(std::move(key));
        flight = slot;
        flight->is_kept_ = flight->is_kept_ || want.is_kept;
        if (!want.is_for_another)
            has_other_lane = flight->is_for_others_.exchange(false) && !is_new;
        std::pair<const Source*, std::vector<std::string>> asked(
            want.sources.empty() ? nullptr : want.sources.front().get(), want.paths);
        for (const Want::Elsewhere& place : want.elsewhere)
            asked.second.insert(asked.second.end(), place.paths.begin(), place.paths.end());
        const auto& before = flight->asked_;
        if (before.size() < kMostWants &&
            std::find(before.begin(), before.end(), asked) == before.end()) {
            flight->asked_.push_back(std::move(asked));
            flight->joining_.push_back(std::move(want));
        }
    }
    if (is_new)
        client_.post([this, weak = std::weak_ptr(flight)] {
            if (auto self = weak.lock())
                waiting_.push_back(std::make_shared<FlightRun>(*this, std::move(self)));
            start_waiting();
        });
    else if (has_other_lane)
        client_.post([this] { start_waiting(); });
    return flight;
}

std::shared_ptr<Flight> Fetcher::refused(const Digest& digest)
{
    auto flight = std::make_shared<Flight>(Flight::Key{digest, "", false});
    flight->error_.store(std::make_shared<const Error>(
        Errc::unavailable, fmt::format("{} other files are on their way already", kMostFlights)));
    flight->phase_.store(Flight::Phase::failed, std::memory_order_release);
    return flight;
}

std::shared_ptr<void> Fetcher::take_memory(std::uint64_t bytes)
{
    std::uint64_t taken = memory_->load();
    do
        if (bytes > kMostMemory - taken)
            return nullptr;
    while (!memory_->compare_exchange_weak(taken, taken + bytes));
    return std::shared_ptr<void>(memory_.get(),
                                 [memory = memory_, bytes](void*) { memory->fetch_sub(bytes); });
}

void Fetcher::wait_for_writer()
{
    for (std::uint64_t now = unwritten_.load(); now > kMostUnwritten; now = unwritten_.load())
        unwritten_.wait(now);
}

void Fetcher::note_written(std::uint64_t bytes)
{
    unwritten_.fetch_sub(bytes);
    unwritten_.notify_one();
}

// In the order in which they came, but for those whose lane is full.
void Fetcher::start_waiting()
{
    for (auto next = waiting_.begin(); next != waiting_.end() && all_running_ < kMostRunning;) {
        const bool is_for_others = (*next)->is_for_others();
        std::string lane = (*next)->lane() + (is_for_others ? " for others" : "");
        const auto known = running_.find(lane);
        const std::size_t running = known == running_.end() ? 0 : known->second;
        const std::size_t most = is_for_others ? kMostOfOneForOthers : kMostOfOneLane;
        if (running >= most || (is_for_others && all_running_ >= kMostWithOthers)) {
            next = is_for_others && (*next)->is_left() ? waiting_.erase(next) : next + 1;
            continue;
        }
        const auto run = std::move(*next);
        next = waiting_.erase(next);
        ++running_[lane];
        ++all_running_;
        run->start(std::move(lane));
    }
}

void Fetcher::ended(const std::string& lane)
{
    const auto found = running_.find(lane);
    if (--found->second == 0)
        running_.erase(found);
    --all_running_;
    // Later, because start_waiting() may be what has started it.
    client_.at(steady_now(), [this] { start_waiting(); });
}

// Three hold every flight: the map, its run and its file. Others get it under the lock only.
bool Fetcher::is_wanted(const std::shared_ptr<Flight>& flight) const
{
    const std::lock_guard lock(mutex_);
    return flight.use_count() > kOwners;
}

bool Fetcher::leave_unwanted(const std::shared_ptr<Flight>& flight)
{
    const std::lock_guard lock(mutex_);
    if (flight.use_count() > kOwners)
        return false;
    forget(*flight);
    return true;
}

std::vector<Want> Fetcher::take_joining(Flight& flight)
{
    const std::lock_guard lock(mutex_);
    return std::exchange(flight.joining_, {});
}

std::vector<Want> Fetcher::leave(const std::shared_ptr<Flight>& flight)
{
    const std::lock_guard lock(mutex_);
    if (flight->joining_.empty())
        forget(*flight);
    return std::exchange(flight->joining_, {});
}

// Under the lock. A later flight of the same digest stays.
void Fetcher::forget(const Flight& flight)
{
    const auto found = flights_.find(flight.key_);
    if (found != flights_.end() && found->second.get() == &flight)
        flights_.erase(found);
}

// The bytes are right: clients may have the tail now, by descriptor. Held only after the sync.
void Fetcher::land(const std::shared_ptr<Flight>& flight, const std::vector<Digest>& proven,
                   const std::string& archive)
{
    bool is_kept = true;
    {
        const std::lock_guard lock(mutex_);
        is_kept = flight->is_kept_;
        if (!is_kept)
            forget(*flight);  // who comes now wants a flight of their own
    }
    flight->phase_.store(Flight::Phase::verified, std::memory_order_release);
    flight->wake();
    if (!is_kept)
        return;
    bool is_storing = false;
    {
        const std::lock_guard lock(landed_mutex_);
        landed_.push_back({flight, proven, archive});
        is_storing = std::exchange(is_storing_, true);
    }
    if (!is_storing)
        gather();
    else if (is_gathering_ && all_running_ == 0)
        start_storing();  // nothing else will land
}

void Fetcher::gather()
{
    is_gathering_ = true;
    if (all_running_ < kSomeRunning)
        return start_storing();
    const std::uint64_t turn = ++gathering_;
    client_.at(steady_now() + kGather, [this, turn] {
        if (is_gathering_ && turn == gathering_)
            start_storing();
    });
}

void Fetcher::start_storing()
{
    is_gathering_ = false;
    workers_.post([this] { store_landed(); });
}

// Whatever landed meanwhile is stored together: many files at once cost one sync of all. One worker
// at a time, and the next batch queues behind the jobs of others.
void Fetcher::store_landed()
{
    std::vector<Landed> batch;
    {
        const std::lock_guard lock(landed_mutex_);
        batch.swap(landed_);
    }
    std::vector<Result<void>> kept;
    try {
        kept = keep(batch);
    } catch (const std::bad_alloc&) {  // R11: what lands later is stored all the same
        kept.assign(batch.size(), fail(Errc::storage, "no memory"));
    }
    client_.post([this, batch = std::move(batch), kept = std::move(kept)] { settle(batch, kept); });
}

std::vector<Result<void>> Fetcher::keep(const std::vector<Landed>& batch)
{
    std::vector<Result<void>> kept;
    std::vector<store::Blobs::Staged> staged;
    std::vector<std::size_t> numbers;  // in the batch, of what is staged
    for (const Landed& landed : batch) {
        kept.emplace_back();
        if (landed.flight->is_in_memory_)
            continue;  // told already
        kept.back() = private_marks_.settle(*blobs_, landed.proven, landed.flight->key_.owner);
        if (!kept.back())
            continue;
        numbers.push_back(kept.size() - 1);
        staged.push_back({landed.flight->file(), landed.proven});
    }
    auto committed = blobs_->commit_all(staged);
    for (std::size_t i = 0; i < numbers.size(); ++i)
        kept[numbers[i]] = std::move(committed[i]);
    return kept;
}

void Fetcher::settle(const std::vector<Landed>& batch, const std::vector<Result<void>>& kept)
{
    for (std::size_t i = 0; i < batch.size(); ++i) {
        if (!kept[i])
            tell_unkept(batch[i].archive, kept[i].error());
        else if (stored_ && !batch[i].flight->is_in_memory_)
            stored_(batch[i].proven, batch[i].archive);
        batch[i].flight->phase_.store(Flight::Phase::stored, std::memory_order_release);
        drop(batch[i].flight);
    }
    {
        const std::lock_guard lock(landed_mutex_);
        is_storing_ = !landed_.empty();
        if (!is_storing_)
            return;
    }
    gather();
}

void Fetcher::drop(const std::shared_ptr<Flight>& flight)
{
    {
        const std::lock_guard lock(mutex_);
        forget(*flight);
    }
    flight->wake();
}

void Fetcher::event(std::string code, const std::string& archive, const SourcePtr& source,
                    std::string message, std::string evidence)
{
    sink_({std::move(code), archive, source ? source->url() : std::string(), std::move(message),
           std::move(evidence)});
}

// What has no room makes the node collect; any other failure of the disk would not be helped by it.
void Fetcher::tell_unkept(const std::string& archive, const Error& why)
{
    event(
        why.is_no_room() ? "store.full" : "store.failed", archive, nullptr,
        "the state folder does not take a file, which is passed on but not kept: " + why.message());
}

void Fetcher::note_wrong(const Digest& digest)
{
    const std::lock_guard lock(mutex_);
    const SteadyTime now = steady_now();
    std::erase_if(wrong_, [now](const auto& entry) { return entry.second < now; });
    wrong_[digest] = now + kWrongIsRemembered;
}

bool Fetcher::was_wrong_lately(const Digest& digest) const
{
    const std::lock_guard lock(mutex_);
    const auto found = wrong_.find(digest);
    return found != wrong_.end() && steady_now() < found->second;
}

void Fetcher::charge(const SourcePtr& source, Fault fault, std::string message)
{
    client_.post([source, fault, message = std::move(message)] {
        source->charge(fault, message, steady_now());
    });
}

http::Async<std::vector<SourceReport>> Fetcher::report(std::vector<SourcePtr> sources)
{
    auto signal = co_await http::make_signal();
    auto reports = std::make_shared<std::vector<SourceReport>>();
    client_.post([signal, reports, sources = std::move(sources)] {
        for (const SourcePtr& source : sources)
            reports->push_back(source->report(steady_now()));
        signal->notify();
    });
    const bool is_done = co_await signal->wait_until(steady_now() + std::chrono::seconds(2));
    if (!is_done)
        co_return std::vector<SourceReport>();
    co_return std::move(*reports);
}

}  // namespace aptward::fetch
