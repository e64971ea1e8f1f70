// SPDX-License-Identifier: GPL-3.0-or-later
#include "crypto/spawner_message.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace aptward::crypto {
namespace {

constexpr std::size_t kMaxDescriptors = kMaxSpawnInputs + 2;

/// Room for the descriptors of one message, aligned as the kernel wants it.
struct ControlRoom {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxDescriptors)> bytes{};
};

std::string encode(const SpawnRequest& request)
{
    std::string bytes = std::to_string(request.limit.count());
    bytes += '\0';
    bytes += request.creates_files ? "creates" : "reads";
    bytes += '\0';
    for (const std::string& word : request.command)
        bytes.append(word) += '\0';
    return bytes;
}

void decode(std::string_view bytes, SpawnRequest& request)
{
    std::vector<std::string> words;
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\0');
        if (end == std::string_view::npos)
            return;
        words.emplace_back(bytes.substr(0, end));
        bytes.remove_prefix(end + 1);
    }
    const auto limit = words.empty() ? std::nullopt : parse_number<std::uint32_t>(words.front());
    if (!limit || words.size() < 2)
        return;
    request.limit = std::chrono::milliseconds(*limit);
    request.creates_files = words[1] == "creates";
    request.command.assign(words.begin() + 2, words.end());
}

std::vector<Fd> take_descriptors(msghdr& message)
{
    std::vector<Fd> taken;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        std::vector<int> numbers((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        std::memcpy(numbers.data(), CMSG_DATA(part), numbers.size() * sizeof(int));
        for (const int number : numbers)
            taken.emplace_back(number);
    }
    return taken;
}

}  // namespace

bool send_request(int socket, const SpawnRequest& request)
{
    std::string bytes = encode(request);
    std::vector<int> numbers{request.reply.get(), request.status.get()};
    for (const Fd& input : request.inputs)
        numbers.push_back(input.get());
    if (bytes.size() > kMaxSpawnRequestBytes || numbers.size() > kMaxDescriptors) {
        errno = E2BIG;
        return false;
    }
    ControlRoom control;
    iovec part{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = CMSG_SPACE(numbers.size() * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(numbers.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), numbers.data(), numbers.size() * sizeof(int));
    ssize_t sent = 0;
    do
        sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == static_cast<ssize_t>(bytes.size());
}

std::optional<SpawnRequest> receive_request(int socket)
{
    std::string bytes(kMaxSpawnRequestBytes, '\0');
    ControlRoom control;
    iovec part{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    ssize_t got = 0;
    do
        got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return std::nullopt;
    SpawnRequest request;
    std::vector<Fd> descriptors = take_descriptors(message);
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || descriptors.size() < 2)
        return request;
    decode(std::string_view(bytes).substr(0, static_cast<std::size_t>(got)), request);
    request.reply = std::move(descriptors[0]);
    request.status = std::move(descriptors[1]);
    std::move(descriptors.begin() + 2, descriptors.end(), std::back_inserter(request.inputs));
    return request;
}

// By write(): the confined child, which says by this why it could not start, may not send().
void send_reply(int socket, SpawnReply reply)
{
    ssize_t sent = 0;
    do
        sent = ::write(socket, &reply, sizeof reply);
    while (sent < 0 && errno == EINTR);
}

std::optional<SpawnReply> receive_reply(int socket)
{
    SpawnReply reply;
    if (::recv(socket, &reply, sizeof reply, MSG_DONTWAIT) != sizeof reply)
        return std::nullopt;
    return reply;
}

}  // namespace aptward::crypto
