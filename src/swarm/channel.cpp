// SPDX-License-Identifier: GPL-3.0-or-later
#include "swarm/channel.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace aptward::swarm {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kTidyAfter = kMostMessageBytes;

tl::unexpected<Error> gone(const char* doing)
{
    return fail(Errc::unavailable,
                std::string(doing) + ": " + std::generic_category().message(errno));
}

}  // namespace

void Frames::add(std::string_view bytes)
{
    if (taken_ > kTidyAfter) {
        bytes_.erase(0, taken_);
        taken_ = 0;
    }
    bytes_.append(bytes);
}

Result<std::optional<std::string>> Frames::next()
{
    const std::string_view rest = std::string_view(bytes_).substr(taken_);
    if (rest.size() < kLengthBytes)
        return std::nullopt;
    std::size_t length = 0;
    for (const char c : rest.substr(0, kLengthBytes))
        length = length << 8 | static_cast<unsigned char>(c);
    if (length == 0 || length > kMostMessageBytes)
        return fail(Errc::malformed, "a message is empty, or longer than 64 kB");
    if (rest.size() < kLengthBytes + length)
        return std::nullopt;
    taken_ += kLengthBytes + length;
    return std::string(rest.substr(kLengthBytes, length));
}

std::string Frames::frame(std::string_view message)
{
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8)
        bytes.push_back(static_cast<char>(message.size() >> shift & 0xFF));
    return bytes.append(message);
}

Result<void> Channel::receive()
{
    std::array<char, 16 * 1024> buffer;
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0)
        frames_.add({buffer.data(), static_cast<std::size_t>(got)});
    else if (got == 0)
        return fail(Errc::unavailable, "the other end has closed the socket");
    else if (errno != EAGAIN && errno != EINTR)
        return gone("reading");
    return {};
}

Result<void> Channel::send(std::string_view message)
{
    if (message.empty() || message.size() > kMostMessageBytes)
        return fail(Errc::malformed, "a message is empty, or longer than 64 kB");
    if (waiting_.size() + message.size() > kMostWaitingBytes)
        return fail(Errc::unavailable, "the other end reads nothing");
    waiting_ += Frames::frame(message);
    return flush();
}

Result<void> Channel::flush()
{
    while (!waiting_.empty()) {
        const ssize_t sent =
            ::send(socket_.get(), waiting_.data(), waiting_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return {};
        if (sent < 0)
            return gone("writing");
        waiting_.erase(0, static_cast<std::size_t>(sent));
    }
    return {};
}

}  // namespace aptward::swarm
