// SPDX-License-Identifier: GPL-3.0-or-later
// Connecting a tunnel: the address is judged after resolving, so that no name leads inside (A19).
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "archive/front.h"
#include "base/text.h"
#include "http/client.h"

namespace aptward::archive {
namespace {

std::string text_of(const ::addrinfo& info)
{
    char host[NI_MAXHOST] = "";
    ::getnameinfo(info.ai_addr, info.ai_addrlen, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
    return host;
}

bool connects(int socket, const ::addrinfo& info, std::chrono::milliseconds limit)
{
    if (::connect(socket, info.ai_addr, info.ai_addrlen) == 0)
        return true;
    if (errno != EINPROGRESS)
        return false;
    ::pollfd waiting{socket, POLLOUT, 0};
    if (::poll(&waiting, 1, static_cast<int>(limit.count())) != 1)
        return false;
    int error = 0;
    ::socklen_t size = sizeof error;
    return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

std::vector<std::uint8_t> address_bytes(const std::string& text)
{
    std::vector<std::uint8_t> bytes(16);
    if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1)
        return bytes;
    bytes.resize(4);
    if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1)
        return bytes;
    return {};
}

}  // namespace

Result<Fd> dial(const std::string& host, std::uint16_t port, bool may_be_private,
                std::chrono::milliseconds limit)
{
    ::addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    ::addrinfo* found = nullptr;
    const int failure = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (failure != 0)
        return fail(Errc::unavailable, host + " has no address: " + ::gai_strerror(failure));
    const std::unique_ptr<::addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    bool has_public = false;
    const SteadyTime deadline = steady_now() + limit;
    for (const ::addrinfo* info = found; info != nullptr; info = info->ai_next) {
        if (!may_be_private && http::is_private_address(text_of(*info)))
            continue;
        has_public = true;
        Fd socket(::socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_now());
        if (!socket || left.count() <= 0 || !connects(socket.get(), *info, left))
            continue;
        const int on = 1;
        ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        return socket;
    }
    if (!has_public)
        return fail(Errc::untrusted, host + " has a private address only");
    return fail(Errc::unavailable, host + " does not accept connections");
}

bool Network::contains(const std::string& address_text) const
{
    const auto other = address_bytes(address_text);
    if (other.size() != address.size())
        return false;
    for (unsigned bit = 0; bit < bits; ++bit) {
        const unsigned mask = 0x80U >> (bit % 8);
        if ((address[bit / 8] & mask) != (other[bit / 8] & mask))
            return false;
    }
    return true;
}

Result<Network> parse_network(const std::string& text)
{
    const std::size_t slash = text.find('/');
    Network network;
    network.address = address_bytes(text.substr(0, slash));
    network.bits = static_cast<unsigned>(network.address.size() * 8);
    if (slash != std::string::npos) {
        const auto bits = parse_number<unsigned>(std::string_view(text).substr(slash + 1));
        if (!bits || *bits > network.bits)
            network.address.clear();
        else
            network.bits = *bits;
    }
    if (network.address.empty())
        return fail(Errc::malformed, "\"" + text +
                                         "\" is no network: write \"192.0.2.7\", \"10.0.0.0/8\" or "
                                         "\"2001:db8::/32\"");
    return network;
}

}  // namespace aptward::archive
