// SPDX-License-Identifier: GPL-3.0-or-later
// Binding addresses. Plain system calls; nothing here waits.
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include "base/text.h"
#include "http/server.h"

namespace aptward::http {
namespace {

constexpr int kBacklog = 4096;

// What the system says, and what to do about it.
tl::unexpected<Error> fail_binding(const std::string& address, int number)
{
    std::string advice;
    if (number == EADDRNOTAVAIL)
        advice =
            ": no interface of this machine has this address; write one that `ip address` shows, "
            "or \"0.0.0.0:PORT\" for all of them";
    else if (number == EACCES && address.rfind("unix:", 0) == 0)
        advice = ": the node may not write that folder; name one that its user owns";
    else if (number == EACCES)
        advice = ": ports below 1024 want CAP_NET_BIND_SERVICE; write a higher one";
    return fail(Errc::storage,
                "binding " + address + ": " + std::generic_category().message(number) + advice);
}

Result<Listening> listen_on_path(const std::string& path)
{
    ::sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        return fail(Errc::malformed, "unix:" + path + ": the path of a socket has 1 to 107 bytes");
    std::memcpy(address.sun_path, path.data(), path.size());
    const auto* generic = static_cast<const ::sockaddr*>(static_cast<const void*>(&address));

    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket)
        return fail_errno("creating a socket", errno);
    // A socket file that answers belongs to a running node; one that does not is left over.
    if (::connect(socket.get(), generic, sizeof address) == 0)
        return fail(Errc::unavailable, "unix:" + path + " is in use by another node");
    struct ::stat status{};
    const bool is_there = ::lstat(path.c_str(), &status) == 0;
    if (is_there && !S_ISSOCK(status.st_mode))
        return fail(Errc::storage, "unix:" + path +
                                       " is a file that is no socket: name a path that is the "
                                       "node's own, such as \"unix:/run/aptward/admin\"");
    if (is_there)
        ::unlink(path.c_str());
    socket.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket)
        return fail_errno("creating a socket", errno);
    if (::bind(socket.get(), generic, sizeof address) != 0)
        return fail_binding("unix:" + path, errno);
    ::chmod(path.c_str(), 0666);
    if (::listen(socket.get(), kBacklog) != 0)
        return fail_errno("listening on unix:" + path, errno);
    return Listening{std::move(socket), "unix:" + path, true};
}

}  // namespace

std::string name_of_socket(int socket)
{
    ::sockaddr_storage address{};
    ::socklen_t size = sizeof address;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    auto* generic = static_cast<::sockaddr*>(static_cast<void*>(&address));
    if (::getsockname(socket, generic, &size) != 0 ||
        ::getnameinfo(generic, size, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return "?";
    const std::string text(host);
    return (text.find(':') == std::string::npos ? text : "[" + text + "]") + ":" + port;
}

namespace {

struct FreeAddress {
    void operator()(::addrinfo* found) const { ::freeaddrinfo(found); }
};
using AddressPtr = std::unique_ptr<::addrinfo, FreeAddress>;

// "ADDRESS:PORT" as the system wants it.
Result<AddressPtr> read_address(const std::string& address)
{
    const std::size_t colon = address.rfind(':');
    std::string host = address.substr(0, colon == std::string::npos ? 0 : colon);
    const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    if (!parse_number<std::uint16_t>(port) || host.empty())
        return fail(Errc::malformed,
                    "\"" + address +
                        "\" is no address: write \"127.0.0.1:3142\", \"[::]:3142\" or "
                        "\"unix:/path\"");
    ::addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
    ::addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0)
        return fail(Errc::malformed, "\"" + host +
                                         "\" is no IP address to listen on: write "
                                         "\"127.0.0.1:3142\", \"[::]:3142\" or \"unix:/path\"");
    return AddressPtr(found);
}

}  // namespace

Result<void> check_address(const std::string& address)
{
    if (address.rfind("unix:", 0) != 0) {
        TRY_VOID(read_address(address).map([](const AddressPtr&) {}));
        return {};
    }
    if (address.size() == 5 || address.size() - 5 >= sizeof(::sockaddr_un::sun_path))
        return fail(Errc::malformed, address + ": the path of a socket has 1 to 107 bytes");
    return {};
}

Result<Listening> listen_on(const std::string& address)
{
    if (address.rfind("unix:", 0) == 0)
        return listen_on_path(address.substr(5));
    TRY(const AddressPtr found, read_address(address));
    Fd socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket)
        return fail_errno("creating a socket for " + address, errno);
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket.get(), found->ai_addr, found->ai_addrlen) != 0) {
        if (errno == EADDRINUSE)
            return fail(Errc::unavailable, address + " is in use by another program");
        return fail_binding(address, errno);
    }
    if (::listen(socket.get(), kBacklog) != 0)
        return fail_errno("listening on " + address, errno);
    std::string name = name_of_socket(socket.get());
    return Listening{std::move(socket), std::move(name), false};
}

}  // namespace aptward::http
