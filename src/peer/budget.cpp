// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/budget.h"

#include <algorithm>

namespace aptward::peer {
namespace {

constexpr std::size_t kMostAddresses = 4096;
constexpr std::chrono::minutes kToldAgain{1};

}  // namespace

void Budgets::use(std::uint64_t bytes_per_s)
{
    const std::lock_guard lock(mutex_);
    bytes_per_s_ = static_cast<double>(bytes_per_s);
    levels_.clear();
}

void Budgets::fill(Level& level, SteadyTime now) const
{
    const double seconds = std::chrono::duration<double>(now - level.filled).count();
    level.requests = std::min(kRequestsAtOnce, level.requests + seconds * kRequestsPerSecond);
    level.bytes =
        std::min(bytes_per_s_ * kSecondsOfBytesAtOnce, level.bytes + seconds * bytes_per_s_);
    level.filled = now;
}

// An address that has not asked for as long as it takes to fill up is forgotten. Where that makes
// no room, a flood of addresses would grow without end: all begin anew.
void Budgets::make_room(SteadyTime now)
{
    if (levels_.size() < kMostAddresses)
        return;
    std::erase_if(levels_, [&](const auto& one) { return now - one.second.filled > kToldAgain; });
    if (levels_.size() >= kMostAddresses)
        levels_.clear();
}

Budgets::Answer Budgets::ask(const std::string& address, SteadyTime now)
{
    const std::lock_guard lock(mutex_);
    make_room(now);
    const auto [found, is_new] = levels_.try_emplace(
        address, Level{kRequestsAtOnce, bytes_per_s_ * kSecondsOfBytesAtOnce, now, SteadyTime{}});
    Level& level = found->second;
    fill(level, now);
    const bool has_bytes = bytes_per_s_ == 0 || level.bytes > 0;
    if (level.requests >= 1 && has_bytes) {
        level.requests -= 1;
        return Answer::granted;
    }
    if (level.told != SteadyTime{} && now - level.told < kToldAgain)
        return Answer::refused;
    level.told = now;
    return Answer::refused_anew;
}

void Budgets::spend(const std::string& address, std::uint64_t bytes)
{
    const std::lock_guard lock(mutex_);
    if (const auto found = levels_.find(address); found != levels_.end())
        found->second.bytes -= static_cast<double>(bytes);
}

}  // namespace aptward::peer
