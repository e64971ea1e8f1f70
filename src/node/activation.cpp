// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/activation.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace aptward::node {

std::vector<http::Listening> inherited_sockets()
{
    constexpr int kFirst = 3;  // SD_LISTEN_FDS_START
    const char* pid = std::getenv("LISTEN_PID");
    const char* count = std::getenv("LISTEN_FDS");
    std::vector<http::Listening> sockets;
    if (pid == nullptr || count == nullptr || std::string_view(pid) != std::to_string(::getpid()))
        return sockets;
    const int total = parse_number<int>(count).value_or(0);
    for (int i = 0; i < total; ++i) {
        const int fd = kFirst + i;
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        sockets.push_back({Fd(fd), http::name_of_socket(fd), false});
    }
    ::unsetenv("LISTEN_PID");
    ::unsetenv("LISTEN_FDS");
    return sockets;
}

void notify_service_manager(const std::string& state)
{
    const char* path = std::getenv("NOTIFY_SOCKET");
    if (path == nullptr || *path == '\0')
        return;
    ::sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::size_t length = std::strlen(path);
    if (length >= sizeof address.sun_path)
        return;
    std::memcpy(address.sun_path, path, length);
    if (address.sun_path[0] == '@')
        address.sun_path[0] = '\0';  // an abstract name
    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto size = static_cast<::socklen_t>(offsetof(::sockaddr_un, sun_path) + length);
    ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
             static_cast<const ::sockaddr*>(static_cast<const void*>(&address)), size);
}

}  // namespace aptward::node
