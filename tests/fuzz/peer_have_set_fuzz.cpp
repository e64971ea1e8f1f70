// SPDX-License-Identifier: GPL-3.0-or-later
// What another node says it holds. The first byte is the number of files of the one index that is
// known here, the next how many of its files were told before. What is read fits that index, and is
// told again as it was read.
#include "base/check.h"
#include "input.h"
#include "peer/have_set.h"

using namespace aptward;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    if (size < 2)
        return 0;
    const std::string index(64, 'a');
    const std::size_t count = bytes[0];
    peer::HaveSet told(count);
    for (std::size_t place = 0; place < std::min<std::size_t>(bytes[1], count); ++place)
        told.put(place, true);
    const peer::HaveSets before{{index, std::make_shared<const peer::HaveSet>(told)}};
    const auto count_of = [&](std::string_view one) {
        return one == index ? std::optional(count) : std::nullopt;
    };
    const std::string_view text(reinterpret_cast<const char*>(bytes) + 2, size - 2);
    const auto news = peer::read_have(text, 5, before, count_of);
    if (!news)
        return 0;
    for (const auto& [name, set] : news->sets) {
        CHECK(name == index && set->count() == count, "of the index that is known here");
        for (const std::uint32_t place : set->places())
            CHECK(place < count, "no more files than it lists");
        peer::HaveText again(news->run, 0, news->to);
        again.add_whole(name, *set);
        const auto read = peer::read_have(std::move(again).finish(), 0, {}, count_of);
        CHECK(
            read && *read->sets.at(name) == *set && read->to == news->to && read->run == news->run,
            "it is told as it was read");
    }
    return 0;
}
