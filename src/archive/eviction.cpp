// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/eviction.h"

#include <algorithm>
#include <tuple>

namespace aptward::archive {
namespace {

bool may_go(const HeldFile& file, const EvictionLimits& limits)
{
    const auto is_used_since = [&](SystemTime time) { return from_unix(file.used) >= time; };
    switch (file.need) {
        case Need::nobody:
        case Need::past:
            return !is_used_since(limits.spared_since);
        case Need::current:
            return !is_used_since(std::min(limits.spared_since, limits.hot_since));
        case Need::kept:
            return false;
    }
    return false;
}

}  // namespace

std::string_view to_string(Need need)
{
    switch (need) {
        case Need::nobody:
            return "nobody";
        case Need::past:
            return "past";
        case Need::current:
            return "current";
        case Need::kept:
            return "kept";
    }
    return "";
}

EvictionPlan plan_eviction(const std::vector<HeldFile>& files, const EvictionLimits& limits)
{
    EvictionPlan plan;
    for (std::uint32_t number = 0; number < files.size(); ++number) {
        const HeldFile& file = files[number];
        EvictionPlan::Share& share = plan.held[static_cast<std::size_t>(file.need)];
        ++share.files;
        share.bytes += file.bytes;
        plan.held_bytes += file.bytes;
        if (may_go(file, limits)) {
            plan.victims.push_back(number);
        } else if (file.need == Need::current) {
            ++plan.hot.files;
            plan.hot.bytes += file.bytes;
        }
    }
    std::sort(plan.victims.begin(), plan.victims.end(), [&](std::uint32_t a, std::uint32_t b) {
        const auto rank = [&](const HeldFile& file) {
            return std::tuple(file.need, !file.is_away, file.used, file.key);
        };
        return rank(files[a]) < rank(files[b]);
    });
    std::size_t count = 0;
    while (count < plan.victims.size() && plan.held_bytes - plan.freed_bytes > limits.target_bytes)
        plan.freed_bytes += files[plan.victims[count++]].bytes;
    plan.victims.resize(count);
    const std::uint64_t left = plan.held_bytes - plan.freed_bytes;
    plan.over_bytes = left > limits.target_bytes ? left - limits.target_bytes : 0;
    return plan;
}

}  // namespace aptward::archive
