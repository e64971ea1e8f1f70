// SPDX-License-Identifier: GPL-3.0-or-later
#include "fetch/fetch.h"

#include <algorithm>

#include "fetch/flight_run.h"

namespace aptward::fetch {
namespace {

constexpr std::chrono::hours kWrongIsRemembered{1};

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

Fetcher::Fetcher(http::Client& client, std::shared_ptr<store::Blobs> blobs, WorkerPool& workers,
                 EventSink sink)
    : client_(client), blobs_(std::move(blobs)), workers_(workers), sink_(std::move(sink))
{
}

std::shared_ptr<Flight> Fetcher::fetch(Want want)
{
    std::shared_ptr<Flight> flight;
    {
        const std::lock_guard lock(mutex_);
        auto& slot = flights_[want.digest];
        if (!slot)
            slot = flight = std::make_shared<Flight>(want.digest);
        slot->is_kept_ = slot->is_kept_ || want.is_kept;
        if (!flight)
            return slot;
    }
    client_.post([this, flight, want = std::move(want)]() mutable {
        std::make_shared<FlightRun>(*this, std::move(flight), std::move(want))->start();
    });
    return flight;
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
            flights_.erase(flight->digest());  // who comes now wants a flight of their own
    }
    flight->phase_.store(Flight::Phase::verified, std::memory_order_release);
    flight->wake();
    if (!is_kept)
        return;
    workers_.post([this, flight, proven, archive] {
        const auto kept = blobs_->commit(*flight->file(), proven);
        client_.post([this, flight, kept, archive] {
            if (!kept)
                event("store.failed", archive, nullptr, kept.error().message());
            flight->phase_.store(Flight::Phase::stored, std::memory_order_release);
            drop(flight);
        });
    });
}

void Fetcher::drop(const std::shared_ptr<Flight>& flight)
{
    {
        const std::lock_guard lock(mutex_);
        flights_.erase(flight->digest());
    }
    flight->wake();
}

void Fetcher::event(std::string code, const std::string& archive, const SourcePtr& source,
                    std::string message, std::string evidence)
{
    sink_({std::move(code), archive, source ? source->url() : std::string(), std::move(message),
           std::move(evidence)});
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
