// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/remembered.h"

#include <algorithm>
#include <future>

namespace aptward::archive {

Remembered remember(Services& services, const FindArchive& find_archive)
{
    std::promise<Remembered> promise;
    services.state_thread.post([&] {
        Remembered known;
        known.suites = services.state.suites();
        for (const auto& [key, suite] : known.suites)
            if (const auto archive = find_archive(key.first)) {
                known.decisions[key.first] = services.state.decisions(key.first);
                known.rings = archive->settings().rings;
            }
        promise.set_value(std::move(known));
    });
    return promise.get_future().get();
}

// What a moment that is kept, or frozen to, means is kept as well; of the rest only the current one
// and those of the rings are what clients get.
Need need_of(const Remembered& remembered, const std::string& archive,
             const catalog::SuiteState& suite, const catalog::Published& published, SystemTime now)
{
    const auto decided = remembered.decisions.find(archive);
    if (decided == remembered.decisions.end())
        return Need::past;  // nobody serves it any more
    const auto is_it = [&](const catalog::Published& one) {
        return one.release == published.release;
    };
    const auto is_at = [&](SystemTime time, SystemTime known) {
        const catalog::Published* found =
            catalog::find_at(suite.timeline, suite.from_hosts, time, known);
        return found != nullptr && is_it(*found);
    };
    for (const auto& [name, at] : decided->second.snapshots)
        if (is_at(at, SystemTime::max()))
            return Need::kept;
    if (const auto& freeze = decided->second.freeze; freeze && is_at(freeze->at, freeze->since))
        return Need::kept;
    // The ring comes to those that were shown after what it has, without asking a source.
    const auto comes_to_it = [&](const RingSettings& ring) {
        const catalog::Published* shown = catalog::find_shown(suite.timeline, now - ring.delay);
        return shown != nullptr &&
               std::any_of(shown, suite.timeline.data() + suite.timeline.size(), is_it);
    };
    const auto& rings = remembered.rings;
    const bool is_served = published.release == suite.current() ||
                           std::any_of(rings.begin(), rings.end(), comes_to_it);
    return is_served ? Need::current : Need::past;
}

}  // namespace aptward::archive
