// SPDX-License-Identifier: GPL-3.0-or-later
// What is announced on the local network, a line for each service: "PORT ADDRESS INTERFACE NAME".
// The first byte says what became of looking at those before. What is looked at is a URL of a
// private address that is not this machine's own, and there are never more than so many.
#include "base/check.h"
#include "base/lines.h"
#include "base/text.h"
#include "http/client.h"
#include "input.h"
#include "peer/found.h"

using namespace aptward;

namespace {

std::string_view next_word(std::string_view& rest)
{
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    return word;
}

void check_url(const std::string& url)
{
    constexpr std::string_view kScheme = "http://";
    CHECK(url.starts_with(kScheme), "the protocol's scheme");
    const std::string authority = url.substr(kScheme.size());
    const auto is_plain = [](char c) { return c > ' ' && c <= '~'; };
    CHECK(std::all_of(authority.begin(), authority.end(), is_plain) &&
              authority.find_first_of("/?#@\\\"<>") == authority.npos,
          "nothing but an authority");
    std::string host = authority.substr(0, authority.rfind(':'));
    if (host.front() == '[')
        host = host.substr(1, std::min(host.find('%'), host.size() - 1) - 1);
    CHECK(http::is_private_address(host) && !host.starts_with("127.") && host != "::1",
          "of this network and not of this machine");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    if (size == 0)
        return 0;
    std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
    peer::Services services;
    while (!rest.empty()) {
        std::string_view line = take_line(rest);
        peer::Service one;
        one.port = parse_number<std::uint16_t>(next_word(line)).value_or(0);
        one.address = next_word(line);
        one.interface = next_word(line);
        one.name = line;
        services.push_back(std::move(one));
    }
    peer::FoundPeers found;
    SteadyTime now{};
    for (int round = 0; round < 3; ++round, now += std::chrono::minutes(1)) {
        peer::FoundPeers::Looks looks;
        for (const peer::Found& one : found.peers())
            looks[one.url] = {static_cast<peer::State>(bytes[0] % 9), bytes[0] % 5U,
                              bytes[0] >= 128};
        found.update(services, looks, now);
        CHECK(found.peers().size() <= peer::kMostFound, "no more than so many");
        for (const peer::Found& one : found.peers())
            check_url(one.url);
    }
    return 0;
}
