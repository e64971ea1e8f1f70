// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/link.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace aptward::peer {
namespace {

constexpr std::chrono::milliseconds kPause{30'000};
constexpr std::chrono::milliseconds kFirstPause{1000};
// What only an operator can change is looked at again, but not often.
constexpr std::chrono::milliseconds kPauseOfMistakes{300'000};

Link with(State state, std::string why, const NodeText& node)
{
    Link link;
    link.state = state;
    link.why = std::move(why);
    link.key = node.key;
    link.program = printable(node.program);
    return link;
}

}  // namespace

std::string_view to_string(State state)
{
    switch (state) {
        case State::untried:
            return "untried";
        case State::linked:
            return "linked";
        case State::unreachable:
            return "unreachable";
        case State::no_node:
            return "no-node";
        case State::incompatible:
            return "incompatible";
        case State::mismatch:
            return "mismatch";
        case State::self:
            return "self";
        case State::cloned:
            return "cloned";
        case State::duplicate:
            return "duplicate";
    }
    return "";
}

Link judge(const NodeText& node, const Self& self, const std::optional<tlog::VerifierKey>& wanted)
{
    if (node.key == self.key && node.run == self.run)
        return with(State::self, "it is this node itself", node);
    if (node.key == self.key)
        return with(State::cloned,
                    "it has this node's key: the state folder was copied; remove the file identity "
                    "from one of the two and restart that node",
                    node);
    if (wanted && node.key != *wanted)
        return with(State::mismatch,
                    fmt::format("its key is {}, the configuration names {}", node.key.to_string(),
                                wanted->to_string()),
                    node);
    if (std::find(node.protocols.begin(), node.protocols.end(), 1U) == node.protocols.end())
        return with(State::incompatible, "it does not speak version 1 of the protocol", node);
    return with(State::linked, "", node);
}

std::chrono::milliseconds own_clock_error(std::vector<std::chrono::milliseconds> ahead)
{
    std::sort(ahead.begin(), ahead.end());
    if (ahead.size() < 2)
        return {};
    const auto middle = ahead[ahead.size() / 2];
    const auto agree = std::count_if(ahead.begin(), ahead.end(), [&](const auto& one) {
        return std::chrono::abs(one - middle) <= kMostClockDifference;
    });
    const bool is_wrong = std::chrono::abs(middle) > kMostClockDifference &&
                          static_cast<std::size_t>(agree) * 2 > ahead.size();
    return is_wrong ? middle : std::chrono::milliseconds(0);
}

std::chrono::milliseconds pause_after(const Link& link)
{
    if (link.state == State::unreachable)
        return std::min(kPause, kFirstPause * (1 << std::min(link.failures, 6U)));
    return is_asked(link.state) ? kPause : kPauseOfMistakes;
}

}  // namespace aptward::peer
