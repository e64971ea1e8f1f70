// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/outage_trace.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <numeric>

namespace aptward::archive {
namespace {

using Json = nlohmann::json;
using std::chrono::minutes;

Result<std::vector<minutes>> read_minutes(const Json& replay, const char* key)
{
    std::vector<minutes> list;
    const auto found = replay.find(key);
    if (found == replay.end() || !found->is_array())
        return fail(Errc::malformed, fmt::format("\"replay\" has no list \"{}\"", key));
    if (found->size() > kMostSilences)
        return fail(Errc::malformed,
                    fmt::format("\"{}\" has more than {} numbers", key, kMostSilences));
    for (const Json& one : *found) {
        const auto count = one.is_number_unsigned() ? one.get<std::uint64_t>() : 0;
        if (count < 1 || count > std::uint64_t{kLongestPhase.count()})
            return fail(Errc::malformed,
                        fmt::format("number {} of \"{}\" is no whole number of minutes from 1 to "
                                    "{}",
                                    list.size() + 1, key, kLongestPhase.count()));
        list.emplace_back(count);
    }
    return list;
}

minutes sum(const std::vector<minutes>& list)
{
    return std::accumulate(list.begin(), list.end(), minutes(0));
}

}  // namespace

minutes OutageTrace::all_down() const
{
    return sum(down);
}

minutes OutageTrace::all_up() const
{
    return sum(up);
}

Result<OutageTrace> parse_outage_trace(std::string_view json)
{
    if (json.size() > kMaxTraceBytes)
        return fail(Errc::malformed, "it is longer than 1 MiB");
    const Json document = Json::parse(json, nullptr, false);
    if (!document.is_object())
        return fail(Errc::malformed, "it is no JSON object");
    const auto replay = document.find("replay");
    if (replay == document.end() || !replay->is_object())
        return fail(Errc::malformed, "it has no object \"replay\"");
    OutageTrace trace;
    const auto name = document.find("name");
    if (name != document.end() && !name->is_string())
        return fail(Errc::malformed, "\"name\" is no text");
    if (name != document.end())
        trace.name = name->get<std::string>();
    TRY(trace.down, read_minutes(*replay, "down_minutes"));
    TRY(trace.up, read_minutes(*replay, "assumed_up_minutes"));
    if (trace.down.empty())
        return fail(Errc::malformed, "\"down_minutes\" is empty");
    if (trace.up.size() != trace.down.size() && trace.up.size() + 1 != trace.down.size())
        return fail(Errc::malformed,
                    fmt::format("there are {} times down and {} up, but one follows the other",
                                trace.down.size(), trace.up.size()));
    return trace;
}

}  // namespace aptward::archive
