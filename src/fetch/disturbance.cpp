// SPDX-License-Identifier: GPL-3.0-or-later
#include "fetch/disturbance.h"

#include <algorithm>
#include <array>
#include <utility>

#include "fetch/fetch.h"

namespace aptward::fetch {
namespace {

using Kind = Disturbance::Kind;

constexpr std::array<std::pair<Kind, std::string_view>, 4> kNames = {{{Kind::refuse, "refuse"},
                                                                      {Kind::stall, "stall"},
                                                                      {Kind::trickle, "trickle"},
                                                                      {Kind::lie, "lie"}}};

constexpr std::uint64_t kUsualBytes = 100'000;  // of a package: which source is first depends on it

// Fetch thread. Null when there is none.
const Source* first_of(const std::vector<SourcePtr>& sources)
{
    const SteadyTime now = steady_now();
    const auto first = std::min_element(sources.begin(), sources.end(), [&](auto& a, auto& b) {
        return a->rank(kUsualBytes, now) < b->rank(kUsualBytes, now);
    });
    return first == sources.end() ? nullptr : first->get();
}

}  // namespace

std::string_view to_string(Kind kind)
{
    for (const auto& [known, name] : kNames)
        if (known == kind)
            return name;
    return "";
}

std::optional<Kind> parse_disturbance(std::string_view name)
{
    for (const auto& [kind, known] : kNames)
        if (known == name)
            return kind;
    return std::nullopt;
}

http::Task<std::vector<SourcePtr>> Fetcher::stand_ins(
    std::vector<SourcePtr> sources, Disturbed whom, std::shared_ptr<const Disturbance> disturbance)
{
    auto signal = co_await http::make_signal();
    auto made = std::make_shared<std::vector<SourcePtr>>();
    client_.post([signal, made, sources = std::move(sources), whom = std::move(whom),
                  disturbance = std::move(disturbance)] {
        const Source* const first = first_of(sources);
        for (const SourcePtr& source : sources) {
            const bool is_named =
                std::find(whom.urls.begin(), whom.urls.end(), source->url()) != whom.urls.end();
            const bool is_meant = whom.whom == Disturbed::Whom::all ||
                                  (whom.whom == Disturbed::Whom::first && source.get() == first) ||
                                  (whom.whom == Disturbed::Whom::named && is_named);
            made->push_back(source->stand_in(is_meant ? disturbance : nullptr));
        }
        signal->notify();
    });
    const bool is_done = co_await signal->wait_until(steady_now() + std::chrono::seconds(2));
    if (!is_done)
        co_return fail(Errc::unavailable, "the fetch thread is busy");
    co_return std::move(*made);
}

}  // namespace aptward::fetch
