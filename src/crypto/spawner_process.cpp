// SPDX-License-Identifier: GPL-3.0-or-later
// Three generations of processes, each killed by the kernel when the one before it dies:
//
//     node --fork at start--> spawner --per request--> supervisor --> child: confined, then exec
//       \________ request and descriptors ____/            |              |
//        \_______ reply: how it ended _____________________/              |
//         \______ status pipe ____________________________________________/
//
// The supervisor waits for one child with a time limit and answers on the request's own socket,
// so requests run side by side without the spawner keeping a table of them.
#include "crypto/spawner_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>

#include "base/clock.h"
#include "base/text.h"
#include "crypto/confine.h"
#include "crypto/spawner_message.h"

namespace aptward::crypto {
namespace {

constexpr int kFirstInput = 4;  // After the standard three and the status pipe.

// Above every number that a child's descriptors end at.
constexpr int kParkingNumber = kFirstInput + static_cast<int>(kMaxSpawnInputs) + 1;

// The signal is sent when the parent dies; a parent that died before is found by its number.
void die_with(::pid_t parent)
{
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent)
        ::_exit(1);
}

// "@0" is the path of the first input.
std::string resolved(const std::string& argument, std::size_t inputs)
{
    if (argument.empty() || argument.front() != '@')
        return argument;
    const auto index = parse_number<std::size_t>(std::string_view(argument).substr(1));
    if (!index || *index >= inputs)
        return argument;
    return "/proc/self/fd/" + std::to_string(kFirstInput + static_cast<int>(*index));
}

void reset_signals()
{
    for (int number = 1; number < NSIG; ++number)
        ::signal(number, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Puts the child's descriptors at their numbers; all others close on exec.
bool arrange_descriptors(const SpawnRequest& request)
{
    std::vector<int> wanted(3, ::open("/dev/null", O_RDWR | O_CLOEXEC));
    wanted.push_back(request.status.get());
    for (const Fd& input : request.inputs)
        wanted.push_back(input.get());
    // First out of the way of each other, then into place.
    for (int& number : wanted)
        number = ::fcntl(number, F_DUPFD_CLOEXEC, kParkingNumber);
    for (std::size_t i = 0; i < wanted.size(); ++i)
        if (wanted[i] < 0 || ::dup2(wanted[i], static_cast<int>(i)) < 0)
            return false;
    return ::close_range(static_cast<unsigned>(wanted.size()), UINT_MAX, CLOSE_RANGE_CLOEXEC) == 0;
}

// Returns only when the program cannot be started: the errno of the step that failed.
int start_program(const SpawnRequest& request, ::pid_t supervisor)
{
    std::vector<std::string> command = request.command;
    for (std::string& argument : command)
        argument = resolved(argument, request.inputs.size());
    std::vector<char*> arguments;
    for (std::string& argument : command)
        arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    std::string path = "PATH=/usr/bin:/bin", locale = "LC_ALL=C";
    char* const environment[] = {path.data(), locale.data(), nullptr};

    ::setpgid(0, 0);
    ::umask(0077);
    if (::chdir("/") != 0 || !arrange_descriptors(request))
        return errno;
    if (const int error = confine_this_process(
            std::chrono::ceil<std::chrono::seconds>(request.limit), request.creates_files);
        error != 0)
        return error;
    die_with(supervisor);  // Changing the user has switched off what was set before.
    reset_signals();
    ::execve(arguments.front(), arguments.data(), environment);
    return errno;
}

// Waits until the child ends, the time is up, or nobody waits for the answer any more.
bool has_ended_in_time(int child, int reply, std::chrono::milliseconds limit)
{
    const SteadyTime deadline = steady_now() + limit;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_now());
        if (left.count() <= 0)
            return false;
        pollfd watched[] = {{child, POLLIN, 0}, {reply, 0, 0}};
        if (::poll(watched, 2, static_cast<int>(left.count())) < 0 && errno != EINTR)
            return false;
        if (watched[0].revents != 0)
            return true;
        if (watched[1].revents != 0)
            return false;
    }
}

[[noreturn]] void supervise(SpawnRequest request, ::pid_t spawner)
{
    die_with(spawner);
    ::signal(SIGCHLD, SIG_DFL);
    const ::pid_t supervisor = ::getpid();
    // A copy above the child's numbers, by which it can say why it did not start.
    const Fd reply(::fcntl(request.reply.get(), F_DUPFD_CLOEXEC, 2 * kParkingNumber));
    const ::pid_t child = ::fork();
    if (child == 0) {
        const int error = start_program(request, supervisor);
        send_reply(reply.get(), {SpawnReply::Kind::not_started, error});
        ::_exit(127);
    }
    const Fd watched(child < 0 ? -1 : static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    if (!watched) {
        send_reply(reply.get(), {SpawnReply::Kind::not_started, errno});
        ::_exit(1);  // A child without a watch dies with this process.
    }
    ::setpgid(child, child);  // As the child does itself: whoever is first.
    request.status.reset();
    request.inputs.clear();
    const bool is_in_time = has_ended_in_time(watched.get(), reply.get(), request.limit);
    // Before the child's number is free again: what it started and left behind goes too.
    ::kill(-child, SIGKILL);
    ::kill(child, SIGKILL);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    send_reply(reply.get(), is_in_time ? SpawnReply{SpawnReply::Kind::exited, status}
                                       : SpawnReply{SpawnReply::Kind::timed_out, 0});
    ::_exit(0);
}

// Keeps standard error, for what a failed CHECK says, and the socket, as number 3.
int keep_only(int socket)
{
    const int parked = ::fcntl(socket, F_DUPFD_CLOEXEC, kParkingNumber);
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(null, 0);
    ::dup2(null, 1);
    const int kept = ::dup3(parked, 3, O_CLOEXEC);
    ::close_range(4, UINT_MAX, 0);
    return kept;
}

}  // namespace

void serve_spawn_requests(int socket, ::pid_t parent)
{
    die_with(parent);
    // A signal to the whole group or service is meant for the node; it decides when this ends.
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE})
        ::signal(number, SIG_IGN);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGCHLD, SIG_IGN);  // Supervisors report for themselves; the kernel buries them.
    ::prctl(PR_SET_NAME, "aptward-spawner");
    socket = keep_only(socket);
    const ::pid_t spawner = ::getpid();
    while (auto request = receive_request(socket)) {
        if (request->command.empty())
            continue;
        const ::pid_t supervisor = ::fork();
        if (supervisor == 0) {
            ::close(socket);
            supervise(*std::move(request), spawner);
        }
        if (supervisor < 0)
            send_reply(request->reply.get(), {SpawnReply::Kind::not_started, errno});
    }
    ::_exit(0);
}

}  // namespace aptward::crypto
