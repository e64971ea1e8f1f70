// SPDX-License-Identifier: GPL-3.0-or-later
// What the node and aptward-swarm say to each other, by the first byte: orders, words, and frames
// that come in two parts. What is read is written as it came.
#include "base/check.h"
#include "input.h"
#include "swarm/channel.h"
#include "swarm/messages.h"

using namespace aptward;

namespace {

void check_order(std::string_view text)
{
    const auto order = swarm::parse_order(text);
    CHECK(!order || to_string(*order) == text, "there is one spelling");
}

void check_word(std::string_view text)
{
    const auto word = swarm::parse_word(text);
    CHECK(!word || to_string(*word) == text, "there is one spelling");
}

void check_frames(std::string_view bytes)
{
    swarm::Frames at_once, in_parts;
    at_once.add(bytes);
    in_parts.add(bytes.substr(0, bytes.size() / 2));
    std::string first, second;
    const auto take = [](swarm::Frames& frames, std::string& all) {
        for (auto next = frames.next(); next && *next; next = frames.next()) {
            CHECK(!(*next)->empty() && (*next)->size() <= swarm::kMostMessageBytes, "bounded");
            all += swarm::Frames::frame(**next);
        }
    };
    take(at_once, first);
    take(in_parts, second);
    in_parts.add(bytes.substr(bytes.size() / 2));
    take(in_parts, second);
    CHECK(first == second && bytes.starts_with(first), "however they come");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    return fuzz::choose(bytes, size, check_order, check_word, check_frames);
}
