// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/pointer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"
#include "crypto/crypto.h"

namespace aptward::peer {
namespace {

constexpr std::string_view kFirstLine = "aptward-pointer/v1";
constexpr std::int64_t kLatest = 32'503'680'000;  // the year 3000
constexpr std::size_t kIdDigits = 64;

// "ID DATE SUITE"
Result<Head> parse_head(std::string_view text)
{
    const auto parts = words(text);
    const auto id = parts.size() < 3 ? std::nullopt : parse_digest(parts[0], 0);
    const auto date = parts.size() < 3 ? std::nullopt : parse_number<std::int64_t>(parts[1]);
    if (!id || !date || parts[0].size() != kIdDigits || id->hex() != parts[0] || *date > kLatest)
        return fail(Errc::malformed, "its pointer has a release in no known form");
    Head head;
    head.id = parts[0];
    head.date = from_unix(*date);
    head.suite = parts[2];
    head.archive = "-";
    if (!can_be_told(head))
        return fail(Errc::malformed, "its pointer has a suite in no known form");
    return head;
}

}  // namespace

std::string to_text(const Pointer& pointer)
{
    std::string text = fmt::format("{}\n", kFirstLine);
    for (std::size_t i = 0; i < std::min(pointer.places.size(), kMostPlaces); ++i)
        text += fmt::format("at {}\n", swarm::to_string(pointer.places[i]));
    for (const Head& head : pointer.heads) {
        const std::string line =
            fmt::format("head {} {} {}\n", head.id, to_unix(head.date), head.suite);
        if (text.size() + line.size() <= kMostPointerBytes)
            text += line;
    }
    return text;
}

Result<Pointer> parse_pointer(std::string_view text)
{
    if (text.size() > kMostPointerBytes || !text.starts_with(kFirstLine) || !text.ends_with('\n') ||
        text.find('\n') != kFirstLine.size())
        return fail(Errc::malformed, "its pointer is of another kind");
    text.remove_prefix(kFirstLine.size() + 1);
    Pointer pointer;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(line.size() + 1);
        if (line.starts_with("at ")) {
            TRY(auto place, swarm::parse_place(line.substr(3)));
            if (pointer.places.size() == kMostPlaces)
                return fail(Errc::malformed, "its pointer has too many addresses");
            pointer.places.push_back(std::move(place));
        } else if (line.starts_with("head ")) {
            TRY(auto head, parse_head(line.substr(5)));
            pointer.heads.push_back(std::move(head));
        }
    }
    return pointer;
}

swarm::Key meeting_key(const std::string& release_id)
{
    const Digest digest = crypto::digest_of("aptward/v1/release/" + release_id);
    swarm::Key key{};
    std::copy_n(digest.hash.begin(), key.size(), key.begin());
    return key;
}

}  // namespace aptward::peer
