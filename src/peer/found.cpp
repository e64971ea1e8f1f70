// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/found.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"
#include "http/client.h"

namespace aptward::peer {
namespace {

constexpr std::size_t kMostQuiet = 1024;  // addresses that are remembered so

bool is_local_v4(std::uint32_t a)
{
    const auto is_in = [a](std::uint32_t network, unsigned bits) {
        return (a ^ network) >> (32 - bits) == 0;
    };
    return is_in(0x0A000000, 8) || is_in(0xAC100000, 12) || is_in(0xC0A80000, 16) ||
           is_in(0xA9FE0000, 16);
}

// Below are services that have nothing to do with this.
bool is_port(std::uint16_t port)
{
    return port >= 1024 || port == 80 || port == 443;
}

// A zone is part of a URL here: nothing that ends one.
bool is_interface(const std::string& name)
{
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    });
}

// As a URL has it. Only what the reader below prints is ever given out.
std::optional<std::string> host_of(const Service& service)
{
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::in_addr v4{};
    if (::inet_pton(AF_INET, service.address.c_str(), &v4) == 1) {
        if (!is_local_v4(ntohl(v4.s_addr)) ||
            ::inet_ntop(AF_INET, &v4, text.data(), text.size()) == nullptr)
            return std::nullopt;
        return text.data();
    }
    ::in6_addr v6{};
    if (::inet_pton(AF_INET6, service.address.c_str(), &v6) != 1 ||
        ::inet_ntop(AF_INET6, &v6, text.data(), text.size()) == nullptr)
        return std::nullopt;
    const bool is_unique_local = (v6.s6_addr[0] & 0xFE) == 0xFC;
    if (is_unique_local)
        return fmt::format("[{}]", text.data());
    if (!IN6_IS_ADDR_LINKLOCAL(&v6) || !is_interface(service.interface))
        return std::nullopt;
    return fmt::format("[{}%25{}]", text.data(), service.interface);  // RFC 6874
}

// IPv4 first, then addresses that need no zone.
int rank_of(const std::string& url)
{
    const bool has_zone = url.find('%') != std::string::npos;
    return url.find('[') == std::string::npos ? 0 : has_zone ? 2 : 1;
}

}  // namespace

std::string_view to_string(Discovery::State state)
{
    switch (state) {
        case Discovery::State::off:
            return "off";
        case Discovery::State::not_built:
            return "not-built";
        case Discovery::State::starting:
            return "starting";
        case Discovery::State::absent:
            return "absent";
        case Discovery::State::working:
            return "working";
    }
    return "";
}

std::optional<std::string> url_of(const Service& service)
{
    const auto host = host_of(service);
    if (!is_port(service.port) || !host)
        return std::nullopt;
    return fmt::format("http://{}:{}", *host, service.port);
}

std::optional<std::string> url_of(const swarm::Place& place, swarm::Net net)
{
    if (net == swarm::Net::closed) {
        const Service service{"", "", place.address, place.port, false};
        return url_of(service);
    }
    if (!is_port(place.port) || http::is_private_address(place.address))
        return std::nullopt;
    return "http://" + to_string(place);
}

bool FoundPeers::is_peer(const std::string& url) const
{
    return std::any_of(peers_.begin(), peers_.end(),
                       [&](const Found& one) { return one.url == url; });
}

bool FoundPeers::is_quiet(const std::string& url, SteadyTime now) const
{
    const auto found = quiet_.find(url);
    return found != quiet_.end() && now < found->second.until;
}

// What is remembered longest makes room: each of them cost a newcomer's turn, so that a flood of
// them takes hours.
void FoundPeers::quieten(const std::string& url, SteadyTime now)
{
    if (quiet_.size() >= kMostQuiet && quiet_.count(url) == 0)
        quiet_.erase(std::min_element(
            quiet_.begin(), quiet_.end(),
            [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
    Quiet& quiet = quiet_[url];
    const auto pause = kQuietFor * (1 << std::min(quiet.times++, 10U));
    quiet.until = now + std::min<std::chrono::minutes>(pause, kMostQuietFor);
}

bool FoundPeers::let_go(const Looks& looks, SteadyTime now)
{
    const auto is_over = [&](const Found& one) {
        const auto known = looks.find(one.url);
        if (known == looks.end())
            return false;
        const Looked& look = known->second;
        if (look.state == State::linked && !look.is_named_otherwise)
            quiet_.erase(one.url);
        const bool has_failed = look.state == State::no_node || (look.state == State::unreachable &&
                                                                 look.failures >= kMostFailures);
        return has_failed || look.state == State::self || look.is_named_otherwise;
    };
    const std::size_t before = peers_.size();
    std::erase_if(peers_, [&](const Found& one) {
        const bool is_gone = is_over(one);
        if (is_gone)
            quieten(one.url, now);
        return is_gone;
    });
    return peers_.size() != before;
}

// One address for each name.
bool FoundPeers::take_up(const Candidates& candidates, SteadyTime now)
{
    const double seconds = std::chrono::duration<double>(now - counted_).count();
    newcomers_ =
        std::min(limits_.newcomers_at_once,
                 newcomers_ + seconds / static_cast<double>(limits_.one_newcomer_each.count()));
    counted_ = now;
    const std::size_t before = peers_.size();
    for (const auto& [name, places] : candidates) {
        const bool is_there = std::any_of(places.begin(), places.end(),
                                          [&](const Found& place) { return is_peer(place.url); });
        const auto next = std::find_if(places.begin(), places.end(), [&](const Found& place) {
            return !is_quiet(place.url, now);
        });
        if (is_there || next == places.end() || peers_.size() >= limits_.most || newcomers_ < 1)
            continue;
        newcomers_ -= 1;
        peers_.push_back(*next);
    }
    return peers_.size() != before;
}

bool FoundPeers::update(const Services& services, const Looks& looks, SteadyTime now)
{
    Candidates candidates;
    for (const Service& service : services) {
        const auto url = service.is_ours ? std::nullopt : url_of(service);
        if (url)
            candidates[service.name].push_back(
                {*url, printable(service.name), printable(service.interface)});
    }
    for (auto& [name, places] : candidates)
        std::sort(places.begin(), places.end(), [](const Found& a, const Found& b) {
            return std::pair(rank_of(a.url), a.url) < std::pair(rank_of(b.url), b.url);
        });
    return update_from(candidates, looks, now);
}

bool FoundPeers::update_from(const Candidates& candidates, const Looks& looks, SteadyTime now)
{
    const bool has_lost = let_go(looks, now);
    const bool has_more = take_up(candidates, now);
    return has_lost || has_more;
}

bool FoundPeers::clear()
{
    const bool had_some = !peers_.empty();
    peers_.clear();
    return had_some;
}

}  // namespace aptward::peer
