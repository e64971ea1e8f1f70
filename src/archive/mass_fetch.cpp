// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/mass_fetch.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace aptward::archive {
namespace {

using fetch::Flight;

// Of the 64 that one archive may have on the way: clients keep most.
constexpr std::size_t kMostRunning = 24;
// With those that wait for their sync, which is one for many: each has a descriptor.
constexpr std::size_t kMostUnstored = 512;
constexpr std::size_t kMostFailuresInARow = 100;  // the sources are down; guess
constexpr std::chrono::milliseconds kLookAgain{100};

}  // namespace

// Small files are started several at a time, because nobody looks more often.
bool Pace::may_start() const
{
    return bytes_per_s_ == 0 || free_at_ <= steady_now() + kLookAgain;
}

void Pace::note_started(std::uint64_t bytes)
{
    const std::uint64_t rate = bytes_per_s_;
    if (rate == 0)
        return;
    const std::chrono::duration<double> taken(static_cast<double>(bytes) /
                                              static_cast<double>(rate));
    free_at_ =
        std::max(free_at_, steady_now()) + std::chrono::duration_cast<SteadyTime::duration>(taken);
}

http::Task<void> MassFetch::run()
{
    const auto self = shared_from_this();
    std::vector<std::size_t> numbers(options_.count);
    std::iota(numbers.begin(), numbers.end(), std::size_t{0});
    auto done = co_await fetch_all(std::move(numbers));
    if (!done || failures_.empty() || must_stop_)
        co_return done;
    std::vector<std::size_t> again;
    for (const Failure& failure : std::exchange(failures_, {}))
        again.push_back(failure.number);
    failures_in_a_row_ = 0;
    co_return co_await fetch_all(std::move(again));
}

bool MassFetch::may_start(std::size_t running) const
{
    if (running >= kMostRunning || flying_.size() >= kMostUnstored)
        return false;
    return options_.pace == nullptr || options_.pace->may_start();
}

http::Task<void> MassFetch::fetch_all(std::vector<std::size_t> numbers)
{
    auto signal = co_await http::make_signal();
    auto next = numbers.begin();
    while (!must_stop_ && (next != numbers.end() || !flying_.empty())) {
        CO_TRY(std::size_t running, look_at_all());
        for (; next != numbers.end() && may_start(running); ++next, ++running) {
            fetch::Want want = options_.want(*next);
            if (options_.pace)
                options_.pace->note_started(want.digest.size_bytes);
            flying_.push_back({*next, fetcher_.fetch(std::move(want))});
            flying_.back().flight->follow(signal);
        }
        if (!flying_.empty() || next != numbers.end()) {
            co_await signal->wait_until(steady_now() + kLookAgain);
        }
    }
    co_return Result<void>();
}

// How many are still coming.
Result<std::size_t> MassFetch::look_at_all()
{
    std::size_t running = 0;
    std::uint64_t coming = 0;
    std::vector<Flying> left;
    for (Flying& flying : flying_) {
        const Flight::Phase phase = flying.flight->phase();
        if (phase == Flight::Phase::stored || phase == Flight::Phase::failed) {
            TRY_VOID(look_at(flying));
            continue;
        }
        running += phase == Flight::Phase::running ? 1 : 0;
        coming += flying.flight->available();
        left.push_back(std::move(flying));
    }
    flying_ = std::move(left);
    bytes_.store(landed_bytes_ + coming, std::memory_order_relaxed);
    return running;
}

// One that is over.
Result<void> MassFetch::look_at(const Flying& flying)
{
    const Digest& digest = flying.flight->digest();
    const auto error = flying.flight->error();
    if (error != nullptr) {
        if (error->code() == Errc::storage)
            return tl::unexpected<Error>(*error);
        failures_.push_back({flying.number, *error});
        if (++failures_in_a_row_ >= kMostFailuresInARow)
            return fail(Errc::unavailable, fmt::format("{} files one after the other were not to "
                                                       "be had, the last because: {}",
                                                       failures_in_a_row_, error->message()));
        return {};
    }
    failures_in_a_row_ = 0;
    if (!archive_->may_use(digest))
        return fail(Errc::storage,
                    "the state folder takes no more bytes: make room, and start the job again");
    landed_bytes_ += digest.size_bytes;
    stored_.fetch_add(1, std::memory_order_relaxed);
    return {};
}

}  // namespace aptward::archive
