// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/own_places.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "peer/found.h"
#include "peer/pointer.h"

namespace aptward::peer {
namespace {

std::string text_of(const ::sockaddr* address)
{
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* bytes = nullptr;
    ::sockaddr_in v4{};
    ::sockaddr_in6 v6{};
    if (address->sa_family == AF_INET) {
        std::memcpy(&v4, address, sizeof v4);
        bytes = &v4.sin_addr;
    } else {
        std::memcpy(&v6, address, sizeof v6);
        bytes = &v6.sin6_addr;
    }
    return ::inet_ntop(address->sa_family, bytes, text.data(), text.size()) == nullptr
               ? ""
               : text.data();
}

// Without those that only this machine or its own link reaches.
std::vector<std::string> addresses_of_interfaces()
{
    std::vector<std::string> addresses;
    ::ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0)
        return addresses;
    const std::unique_ptr<::ifaddrs, void (*)(::ifaddrs*)> owned(all, ::freeifaddrs);
    for (const ::ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
        const bool is_up = (one->ifa_flags & IFF_UP) != 0 && (one->ifa_flags & IFF_LOOPBACK) == 0;
        const int family = one->ifa_addr == nullptr ? AF_UNSPEC : one->ifa_addr->sa_family;
        if (is_up && (family == AF_INET || family == AF_INET6))
            addresses.push_back(text_of(one->ifa_addr));
    }
    return addresses;
}

}  // namespace

std::vector<swarm::Place> own_places(swarm::Net net, std::uint16_t port, const std::string& seen)
{
    std::vector<swarm::Place> places;
    if (port == 0)
        return places;
    std::vector<std::string> addresses = addresses_of_interfaces();
    std::sort(addresses.begin(), addresses.end());
    if (!seen.empty())
        addresses.insert(addresses.begin(), seen);
    for (const std::string& address : addresses) {
        const swarm::Place place{address, port};
        const bool is_there = std::find(places.begin(), places.end(), place) != places.end();
        if (!is_there && places.size() < kMostPlaces && url_of(place, net))
            places.push_back(place);
    }
    return places;
}

}  // namespace aptward::peer
