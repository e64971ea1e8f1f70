// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/own_names.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/text.h"

namespace aptward::node {
namespace {

// The bytes of an IP address; empty for other families. IPv4 inside IPv6 counts as IPv4.
std::string address_bytes(const ::sockaddr* address)
{
    if (address == nullptr)
        return "";
    const void* generic = address;
    if (address->sa_family == AF_INET) {
        const auto* four = static_cast<const ::sockaddr_in*>(generic);
        return std::string(static_cast<const char*>(static_cast<const void*>(&four->sin_addr)), 4);
    }
    if (address->sa_family != AF_INET6)
        return "";
    const auto* six = static_cast<const ::sockaddr_in6*>(generic);
    const std::string bytes(static_cast<const char*>(static_cast<const void*>(&six->sin6_addr)),
                            16);
    return IN6_IS_ADDR_V4MAPPED(&six->sin6_addr) ? bytes.substr(12) : bytes;
}

std::vector<std::string> own_addresses()
{
    std::vector<std::string> addresses;
    ::ifaddrs* first = nullptr;
    if (::getifaddrs(&first) != 0)
        return addresses;
    const std::unique_ptr<::ifaddrs, decltype(&::freeifaddrs)> owner(first, &::freeifaddrs);
    for (const ::ifaddrs* one = first; one != nullptr; one = one->ifa_next)
        addresses.push_back(address_bytes(one->ifa_addr));
    return addresses;
}

bool leads_here(const std::string& host, Lookup lookup)
{
    char own[256] = {};
    ::gethostname(own, sizeof own - 1);
    if (host == "localhost" || host == to_lower(own))
        return true;
    ::addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = lookup == Lookup::none ? AI_NUMERICHOST : 0;
    ::addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0)
        return false;
    const std::unique_ptr<::addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    const auto ours = own_addresses();
    for (const ::addrinfo* one = found; one != nullptr; one = one->ai_next) {
        const std::string bytes = address_bytes(one->ai_addr);
        const bool is_loopback = bytes.size() == 4 && bytes[0] == 127;
        if (is_loopback ||
            (!bytes.empty() && std::find(ours.begin(), ours.end(), bytes) != ours.end()))
            return true;
    }
    return false;
}

}  // namespace

std::string authority_of(std::string_view uri)
{
    const std::size_t scheme = uri.find("://");
    const bool is_https = uri.substr(0, 8) == "https://";
    if (scheme != std::string_view::npos)
        uri.remove_prefix(scheme + 3);
    std::string authority = to_lower(uri.substr(0, uri.find('/')));
    authority.erase(0, authority.find('@') == authority.npos ? 0 : authority.find('@') + 1);
    const std::size_t bracket = authority.rfind(']');
    const std::size_t colon = authority.rfind(':');
    const bool has_port = colon != authority.npos && (bracket == authority.npos || colon > bracket);
    return has_port ? authority : authority + (is_https ? ":443" : ":80");
}

bool is_own_authority(const std::string& authority, const std::vector<std::string>& listen,
                      Lookup lookup)
{
    if (std::find(listen.begin(), listen.end(), authority) != listen.end())
        return true;
    const std::size_t colon = authority.rfind(':');
    const std::string port = authority.substr(colon);
    const bool is_our_port = std::any_of(listen.begin(), listen.end(), [&](const auto& address) {
        return address.rfind("unix:", 0) != 0 && address.ends_with(port);
    });
    std::string host = authority.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    return is_our_port && leads_here(host, lookup);
}

}  // namespace aptward::node
