// SPDX-License-Identifier: GPL-3.0-or-later
#include "fetch/source.h"

#include <fmt/format.h>

#include <algorithm>

namespace aptward::fetch {
namespace {

constexpr double kWeight = 0.3;  // of the newest observation; guess: follows a change in 3 to 4
constexpr std::uint64_t kFailuresToOpen = 3;
constexpr std::uint64_t kMostLacks = 32;
// Of files it may have parted with since it told; guesses.
constexpr std::uint64_t kBrokenWords = 3;
constexpr std::chrono::seconds kUnheard{60};
constexpr std::chrono::seconds kFirstPause{5};
constexpr std::chrono::seconds kPauseOfALie{60};
constexpr std::chrono::seconds kLongestPause{300};

void blend(double& average, double observed)
{
    average = average == 0 ? observed : average * (1 - kWeight) + observed * kWeight;
}

// A lie is not bad luck: only time makes up for it.
bool is_lie(Fault fault)
{
    return fault == Fault::wrong_bytes || fault == Fault::untrusted;
}

// The source goes to the end of the queue at the first one.
bool opens_at_once(Fault fault)
{
    return is_lie(fault) || fault == Fault::portal;
}

std::chrono::seconds time_left(SystemTime until)
{
    return std::clamp(until - system_now(), std::chrono::seconds(0), kLongestPause);
}

bool counts_against_health(Fault fault)
{
    return fault != Fault::missing && fault != Fault::mixed && fault != Fault::stale;
}

}  // namespace

std::string_view to_string(Fault fault)
{
    static constexpr std::string_view kNames[kFaultKinds] = {
        "refused", "not-resolved", "stalled",    "slow",        "truncated", "denied",
        "missing", "failing",      "wrong-size", "wrong-bytes", "mixed",     "stale",
        "portal",  "redirect",     "protocol",   "untrusted"};
    return kNames[static_cast<std::size_t>(fault)];
}

void Source::answered(std::chrono::milliseconds latency)
{
    blend(latency_ms_, std::max(1.0, static_cast<double>(latency.count())));
    ++answers_;
}

void Source::delivered(std::uint64_t bytes, std::chrono::milliseconds taken, Proof proof)
{
    bytes_ += bytes;
    if (proof == Proof::digest) {
        lies_in_a_row_ = 0;
        proven_bytes_ += bytes;
        lacks_in_a_row_ = 0;
        broken_words_ = times_unheard_ = 0;
        unheard_until_ = SteadyTime{};
    }
    failures_in_a_row_ = 0;
    open_until_ = SteadyTime{};
    last_good_time_ = system_now();
    note_health();
    if (bytes >= 64 * 1024)  // less says more about latency than about rate
        blend(rate_, static_cast<double>(bytes) * 1000 /
                         std::max(1.0, static_cast<double>(taken.count())));
}

void Source::note_health()
{
    avoided_until_.store(std::max({open_until_, distrusted_until_, unheard_until_}));
}

void Source::charge(Fault fault, std::string_view message, SteadyTime now)
{
    ++faults_[static_cast<std::size_t>(fault)];
    last_fault_ = fmt::format("{}: {}", to_string(fault), message);
    last_fault_time_ = system_now();
    if (!counts_against_health(fault))
        return;
    ++failures_in_a_row_;
    // A service that refuses our credentials goes on doing so.
    const bool is_final = opens_at_once(fault) || (is_service() && fault == Fault::denied);
    if (failures_in_a_row_ < kFailuresToOpen && !is_final)
        return;
    const auto doublings = std::min<std::uint64_t>(failures_in_a_row_, 8);
    const auto pause = is_final ? kPauseOfALie : kFirstPause * (1 << doublings) / 8;
    open_until_ = now + std::min<std::chrono::seconds>(pause, kLongestPause);
    note_health();
    if (!is_lie(fault))
        return;
    proven_bytes_ = 0;
    // A liar may answer everything else well, and so be the favourite again.
    const auto lies = std::min<std::uint64_t>(lies_in_a_row_++, 8);
    distrusted_until_ =
        now + std::min<std::chrono::seconds>(kPauseOfALie * (1 << lies), kLongestPause);
    note_health();
}

bool Source::broke_its_word(SteadyTime now, std::string_view how)
{
    if (++broken_words_ < kBrokenWords)
        return false;
    broken_words_ = 0;
    const auto doublings = std::min<std::uint64_t>(times_unheard_++, 6);
    unheard_until_ = now + kUnheard * (1 << doublings);
    last_fault_ = how;
    last_fault_time_ = system_now();
    note_health();
    return true;
}

void Source::suspect(SteadyTime now)
{
    proven_bytes_ = 0;
    distrusted_until_ = std::max(distrusted_until_, now + kPauseOfALie);
    note_health();
}

double Source::expected_ms(std::uint64_t bytes) const
{
    // A guess lets a new one be tried; a neighbour is near until it is known not to be.
    double latency = latency_ms_ != 0 ? latency_ms_ : is_holder() ? 2 : 50;
    // One that mostly has nothing costs its answers for nothing.
    latency *= static_cast<double>(1 + std::min(lacks_in_a_row_, kMostLacks));
    const double rate = rate_ != 0 ? rate_ : is_holder() ? 5e7 : 1e6;
    return (latency + static_cast<double>(bytes) * 1000 / rate) *
               (1 + static_cast<double>(failures_in_a_row_)) +
           static_cast<double>(failures_in_a_row_) * 1000;
}

std::chrono::milliseconds Source::hedge_delay() const
{
    if (failures_in_a_row_ > 0)
        return std::chrono::milliseconds(150);
    if (latency_ms_ == 0)
        return std::chrono::milliseconds(700);
    return std::chrono::milliseconds(std::clamp(static_cast<int>(latency_ms_ * 4), 200, 1000));
}

SourceReport Source::report(SteadyTime now) const
{
    SourceReport report;
    report.url = settings_.url;
    report.is_open = is_open(now);
    report.open_until = system_time_of(open_until_, now);
    report.distrusted_until = system_time_of(distrusted_until_, now);
    report.avoided_until = system_time_of(avoided_until_, now);
    report.latency_ms = latency_ms_;
    report.rate_bytes_per_s = rate_;
    report.bytes = bytes_;
    report.answers = answers_;
    report.failures_in_a_row = failures_in_a_row_;
    report.faults = faults_;
    report.last_fault = last_fault_;
    report.last_fault_time = last_fault_time_;
    report.last_good_time = last_good_time_;
    return report;
}

std::shared_ptr<Source> Source::stand_in(std::shared_ptr<const Disturbance> disturbance) const
{
    auto copy = std::make_shared<Source>(*this);
    copy->disturbance_ = std::move(disturbance);
    return copy;
}

void Source::restore(const SourceReport& before, SteadyTime now)
{
    latency_ms_ = before.latency_ms;
    rate_ = before.rate_bytes_per_s;
    failures_in_a_row_ = before.failures_in_a_row;
    last_fault_ = before.last_fault;
    last_fault_time_ = before.last_fault_time;
    last_good_time_ = before.last_good_time;
    open_until_ = now + time_left(before.open_until);
    distrusted_until_ = now + time_left(before.distrusted_until);
    note_health();
}

}  // namespace aptward::fetch
