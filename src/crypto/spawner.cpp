// SPDX-License-Identifier: GPL-3.0-or-later
// The node's side of the spawner: one packet out, a pipe and a reply back. No lock: a packet is
// sent in one step, and everything else belongs to the call.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "base/clock.h"
#include "base/file.h"
#include "crypto/crypto.h"
#include "crypto/spawner_message.h"
#include "crypto/spawner_process.h"

namespace aptward::crypto {
namespace {

// The supervisor keeps the limit; this is for a supervisor that was killed or starved.
constexpr std::chrono::seconds kSupervisorGrace{5};

tl::unexpected<Error> unavailable(std::string message)
{
    return fail(Errc::unavailable, std::move(message));
}

tl::unexpected<Error> unavailable(std::string_view doing, int errno_value)
{
    return unavailable(std::string(doing) + ": " + std::generic_category().message(errno_value));
}

// A sealed memory file: the child can open it by path like any file, and nobody can change it
// while it is read.
Result<Fd> seal_in_memory(std::string_view bytes)
{
    Fd file(::memfd_create("input", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file)
        return unavailable("creating a memory file", errno);
    if (auto written = write_all(file.get(), bytes); !written)
        return unavailable("filling a memory file: " + written.error().message());
    constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    if (::fcntl(file.get(), F_ADD_SEALS, kSeals) != 0)
        return unavailable("sealing a memory file", errno);
    return file;
}

/// The ends of one call that stay in the node.
struct Call {
    Fd reply;
    Fd status;
    std::size_t most_output_bytes = 0;
    std::string output;
};

enum class Flow { open, closed, too_much };

// Takes what is in the pipe now.
Flow drain(Call& call)
{
    std::array<char, 16'384> buffer;
    while (call.status) {
        const ssize_t got = ::read(call.status.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return Flow::open;
        if (got <= 0)
            call.status.reset();
        else if (call.output.size() + static_cast<std::size_t>(got) > call.most_output_bytes)
            return Flow::too_much;
        else
            call.output.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return Flow::closed;
}

// The reply comes after the child's end, so that what is in the pipe by then is all there is: a
// grandchild that keeps the pipe open cannot hold the call up.
Result<SpawnReply> await_reply(Call& call, const std::string& program, SteadyTime deadline)
{
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_now());
        if (left.count() <= 0)
            return unavailable(program + " did not answer, and nothing stopped it");
        pollfd watched[] = {{call.reply.get(), POLLIN, 0}, {call.status.get(), POLLIN, 0}};
        if (::poll(watched, 2, static_cast<int>(left.count())) < 0 && errno != EINTR)
            return unavailable("waiting for " + program, errno);
        const auto reply = watched[0].revents == 0 ? std::nullopt : receive_reply(call.reply.get());
        if (watched[0].revents != 0 && !reply)
            return unavailable("the process that starts " + program + " is gone");
        // Also when the pipe was quiet: the last words may have come after poll.
        if (drain(call) == Flow::too_much)
            return unavailable(program + " writes without end");
        if (reply)
            return *reply;
    }
}

}  // namespace

/// The spawner process and the socket to it.
struct Spawner::Pipe {
    Fd socket;
    ::pid_t process = -1;
};

Result<std::unique_ptr<Spawner>> Spawner::start()
{
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail_errno("creating the spawner's socket", errno);
    auto pipe = std::make_unique<Pipe>();
    pipe->socket.reset(ends[0]);
    const Fd far_end(ends[1]);
    const ::pid_t parent = ::getpid();
    // Blocked over the fork: a signal may not reach the child before it ignores signals.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    pipe->process = ::fork();
    if (pipe->process != 0)
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pipe->process == 0)
        serve_spawn_requests(far_end.get(), parent);
    if (pipe->process < 0)
        return fail_errno("starting the spawner", errno);
    return std::unique_ptr<Spawner>(new Spawner(std::move(pipe)));
}

Spawner::Spawner(std::unique_ptr<Pipe> pipe) : pipe_(std::move(pipe)) {}

Spawner::~Spawner()
{
    pipe_->socket.reset();
    while (::waitpid(pipe_->process, nullptr, 0) < 0 && errno == EINTR) {
    }
}

Result<Spawner::Outcome> Spawner::run(const std::string& program,
                                      const std::vector<std::string>& arguments,
                                      const std::vector<std::string_view>& inputs,
                                      std::chrono::seconds limit, const Allowance& allowance)
{
    SpawnRequest request;
    request.limit = limit;
    request.creates_files = allowance.creates_files;
    request.command = {program};
    request.command.insert(request.command.end(), arguments.begin(), arguments.end());
    for (const std::string_view input : inputs) {
        TRY(Fd file, seal_in_memory(input));
        request.inputs.push_back(std::move(file));
    }
    Call call;
    call.most_output_bytes = allowance.most_output_bytes;
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return unavailable("creating a reply socket", errno);
    call.reply.reset(ends[0]);
    request.reply.reset(ends[1]);
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        return unavailable("creating a status pipe", errno);
    call.status.reset(ends[0]);
    request.status.reset(ends[1]);
    // Only this end: O_NONBLOCK belongs to an end, and the child's must block.
    if (::fcntl(call.status.get(), F_SETFL, O_NONBLOCK) != 0)
        return unavailable("preparing a status pipe", errno);
    if (!send_request(pipe_->socket.get(), request))
        return unavailable("asking the spawner to run " + program, errno);
    request = SpawnRequest();
    TRY(const SpawnReply reply,
        await_reply(call, program, steady_now() + limit + kSupervisorGrace));
    switch (reply.kind) {
        case SpawnReply::Kind::exited:
            return Outcome{reply.number, std::move(call.output)};
        case SpawnReply::Kind::timed_out:
            return Outcome{-1, std::move(call.output)};
        case SpawnReply::Kind::not_started:
            break;
    }
    return unavailable("starting " + program, reply.number);
}

}  // namespace aptward::crypto
