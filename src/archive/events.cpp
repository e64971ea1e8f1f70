// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/events.h"

#include <set>
#include <string_view>

#include "base/log.h"

namespace aptward::archive {
namespace {

constexpr std::chrono::seconds kQuiet{10};
constexpr std::size_t kMostRemembered = 10'000;

bool is_alarming(const std::string& code)
{
    if (code.rfind("job.", 0) == 0)
        return code == "job.failed";
    static const std::set<std::string_view> kCalm = {
        "release.published", "release.from-host", "release.stocking", "fetch.hedged",
        "node.started",      "node.stopped",      "node.reloaded",    "keys.approved",
        "release.approved",  "bundle.imported",   "stock.imported",   "peer.found",
        "peer.gone",         "discovery.lost",    "discovery.back",   "swarm.published",
        "swarm.stopped",
    };
    return kCalm.count(code) == 0;
}

}  // namespace

void EventLog::add(catalog::Event event)
{
    {
        const std::lock_guard lock(mutex_);
        ++counts_[event.code];
        const std::string key = event.code + " " + event.archive + " " + event.suite + " " +
                                event.source + event.evidence;
        const SteadyTime now = steady_now();
        if (last_.size() > kMostRemembered)
            last_.clear();
        SteadyTime& last = last_[key];
        if (last != SteadyTime{} && now - last < kQuiet)
            return;
        last = now;
    }
    event.time = system_now();
    if (event.who.empty())
        event.who = "node";
    log_line(is_alarming(event.code) ? LogLevel::warning : LogLevel::info, event.code,
             {{"archive", event.archive}, {"suite", event.suite}, {"source", event.source}},
             event.message);
    state_thread_.post([this, event = std::move(event)] {
        const auto added = state_.add_event(event);
        if (!added)
            log_error("state.failed", {}, added.error().message());
        else if (wake_)
            wake_();
    });
}

std::map<std::string, std::uint64_t> EventLog::counts() const
{
    const std::lock_guard lock(mutex_);
    return counts_;
}

}  // namespace aptward::archive
