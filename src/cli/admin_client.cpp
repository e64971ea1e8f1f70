// SPDX-License-Identifier: GPL-3.0-or-later
// Asking the running node: one request over its admin socket.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "archive/front.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/commands.h"

namespace aptward::cli {
namespace {

Result<Fd> connect_to(const std::string& address)
{
    if (address.rfind("unix:", 0) != 0) {
        const std::size_t colon = address.rfind(':');
        const auto port = parse_number<std::uint16_t>(address.substr(colon + 1));
        if (!port)
            return fail(Errc::malformed, address + " is no admin address");
        TRY(Fd socket,
            archive::dial(address.substr(0, colon), *port, true, std::chrono::seconds(5)));
        ::fcntl(socket.get(), F_SETFL, 0);  // dialled for a loop; here every call waits
        return socket;
    }
    ::sockaddr_un name{};
    name.sun_family = AF_UNIX;
    const std::string path = address.substr(5);
    if (path.size() >= sizeof name.sun_path)
        return fail(Errc::malformed, path + " is too long for a socket");
    std::memcpy(name.sun_path, path.data(), path.size());
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket ||
        ::connect(socket.get(), static_cast<const ::sockaddr*>(static_cast<const void*>(&name)),
                  sizeof name) != 0)
        return fail(Errc::unavailable, "no node answers at " + address + ": " +
                                           std::strerror(errno) +
                                           " (is it running? systemctl status aptward)");
    return socket;
}

}  // namespace

std::string AdminAnswer::sentence() const
{
    return body.substr(0, body.find('\n'));
}

Result<AdminAnswer> ask_admin(const std::string& address, const std::string& method,
                              const std::string& target, const std::string& body,
                              std::chrono::seconds limit)
{
    TRY(const Fd socket, connect_to(address));
    const ::timeval patience{limit.count(), 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const std::string request =
        method + " " + target +
        " HTTP/1.1\r\nHost: admin\r\nConnection: close\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    TRY_VOID(write_all(socket.get(), request));
    std::string answer;
    char buffer[65536];
    for (;;) {
        const ssize_t got = ::read(socket.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        answer.append(buffer, static_cast<std::size_t>(got));
    }
    const std::size_t end = answer.find("\r\n\r\n");
    const auto status = answer.size() > 12 ? parse_number<int>(answer.substr(9, 3)) : std::nullopt;
    if (end == std::string::npos || !status)
        return fail(Errc::unavailable, "the node at " + address + " gave no whole answer");
    return AdminAnswer{*status, answer.substr(end + 4)};
}

Result<void> follow_admin(const std::string& address, const std::string& target,
                          const std::function<void(std::string_view line)>& take)
{
    TRY(const Fd socket, connect_to(address));
    const ::timeval limit{45, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    // HTTP/1.0, so that the answer comes as it is, without chunks.
    const std::string request =
        "GET " + target + " HTTP/1.0\r\nHost: admin\r\nAccept: text/event-stream\r\n\r\n";
    TRY_VOID(write_all(socket.get(), request));
    std::string waiting;
    char buffer[16384];
    bool is_in_head = true;
    for (;;) {
        const ssize_t got = ::read(socket.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        waiting.append(buffer, static_cast<std::size_t>(got));
        for (std::size_t end; (end = waiting.find('\n')) != std::string::npos;) {
            const std::string line = waiting.substr(0, end);
            waiting.erase(0, end + 1);
            if (is_in_head && line.rfind("HTTP/", 0) == 0 &&
                line.find(" 200 ") == std::string::npos)
                return fail(Errc::unavailable, "the node at " + address + " refused: " + line);
            if (!is_in_head)
                take(line);
            else if (line == "\r")
                is_in_head = false;
        }
    }
    return fail(Errc::unavailable, "the node at " + address + " ended the stream of events");
}

}  // namespace aptward::cli
