// SPDX-License-Identifier: GPL-3.0-or-later
// One thread: it starts the program, passes messages on, and starts it again.
#include "swarm/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "swarm/launch.h"

namespace aptward::swarm {
namespace {

constexpr std::chrono::seconds kReadyLimit{20};
constexpr std::chrono::seconds kSilenceLimit{60};
constexpr std::chrono::seconds kLookForItAgain{60};
constexpr std::size_t kMostOrders = 4096;  // that wait for the thread

// It ended, or is made to.
std::string bury(::pid_t pid)
{
    ::kill(pid, SIGKILL);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        return fmt::format("it was ended by signal {}", WTERMSIG(status));
    if (WIFEXITED(status))
        return fmt::format("it ended with status {}", WEXITSTATUS(status));
    return "it was killed";
}

}  // namespace

std::string_view to_string(Process::State state)
{
    switch (state) {
        case Process::State::off:
            return "off";
        case Process::State::absent:
            return "absent";
        case Process::State::starting:
            return "starting";
        case Process::State::working:
            return "working";
    }
    return "";
}

void Process::use(std::optional<Settings> settings)
{
    const std::lock_guard lock(mutex_);
    settings_ = std::move(settings);
    if (!settings_ && !thread_.joinable())
        return;
    if (!waking_)
        waking_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    ::eventfd_write(waking_.get(), 1);
    if (thread_.joinable() || is_stopping_)
        return;
    try {
        thread_ = std::thread([this] { run(); });
    } catch (const std::system_error& error) {  // no room for one: a reload tries again
        log_warning("swarm.failed", {}, error.what());
    }
}

void Process::say(const Order& order)
{
    const std::lock_guard lock(mutex_);
    if (!waking_ || report_.load()->state != State::working || orders_.size() >= kMostOrders)
        return;
    orders_.push_back(to_string(order));
    ::eventfd_write(waking_.get(), 1);
}

void Process::stop()
{
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
        if (waking_)
            ::eventfd_write(waking_.get(), 1);
    }
    if (thread_.joinable())
        thread_.join();
}

std::optional<Process::Settings> Process::wanted()
{
    const std::lock_guard lock(mutex_);
    return settings_;
}

bool Process::is_stopping()
{
    const std::lock_guard lock(mutex_);
    return is_stopping_;
}

bool Process::is_changed(const std::optional<Settings>& from)
{
    const std::lock_guard lock(mutex_);
    return is_stopping_ || settings_ != from;
}

void Process::drain_wakes() const
{
    ::eventfd_t count = 0;
    ::eventfd_read(waking_.get(), &count);
}

void Process::show(State state, std::string why, ::pid_t pid)
{
    Report report = *report_.load();
    if (report.state != state)
        report.since = system_now();
    report.state = state;
    report.why = std::move(why);
    report.pid = pid;
    if (state != State::working) {
        report.nodes = 0;
        report.program.clear();
    }
    report_ = std::make_shared<const Report>(std::move(report));
}

// Until then, unless something else is wanted.
void Process::pause(SteadyTime until, const std::optional<Settings>& meanwhile)
{
    while (!is_changed(meanwhile) && steady_now() < until) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_now());
        ::pollfd wake{waking_.get(), POLLIN, 0};
        constexpr std::int64_t kAMinute = 60'000;
        ::poll(&wake, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, kAMinute)));
        drain_wakes();
    }
}

void Process::run()
{
    for (;;) {
        const auto settings = wanted();
        if (is_stopping())
            return;
        if (!settings) {
            show(State::off, "");
            told_.clear();
            pause(SteadyTime::max(), settings);
        } else if (const auto program =
                       settings->program.empty() ? find_program() : settings->program;
                   !program || !std::filesystem::exists(*program)) {
            show(State::absent, "the program aptward-swarm is not installed");
            if (std::exchange(told_, "absent") != "absent")
                tell_("swarm.absent",
                      "the program aptward-swarm is not installed: nodes are not found over the "
                      "internet; all else goes on");
            pause(steady_now() + kLookForItAgain, settings);
        } else {
            watch(*settings, *program);
        }
    }
}

// One life of the process, and the pause after it.
void Process::watch(const Settings& settings, const std::filesystem::path& program)
{
    show(State::starting, "");
    const SteadyTime began = steady_now();
    std::string why;
    auto launched = launch(program, settings.staging);
    if (launched) {
        Running running{Channel(std::move(launched->socket)), launched->pid, began, began};
        const auto ended = converse(running, settings);
        // What is left of it: what it said last may say why it ended.
        const std::string how = bury(running.pid);
        why = ended ? "" : fmt::format("{} ({})", ended.error().message(), how);
    } else {
        why = launched.error().message();
    }
    {
        const std::lock_guard lock(mutex_);
        orders_.clear();
    }
    if (why.empty())  // something else is wanted
        return;
    if (steady_now() - began >= kWorkedWell)
        failures_ = 0;
    const auto pause_for = std::min(kLongestPause, kFirstPause * (1 << std::min(failures_++, 9U)));
    Report report = *report_.load();
    ++report.restarts;
    report_ = std::make_shared<const Report>(std::move(report));
    show(State::starting, why);
    if (std::exchange(told_, why) != why)
        tell_("swarm.ended",
              fmt::format("aptward-swarm is started again by itself, the node goes on: {}", why));
    pause(steady_now() + pause_for, settings);
}

// Until it ends, or something else is wanted: then there is no error.
Result<void> Process::converse(Running& running, const Settings& settings)
{
    TRY_VOID(running.channel.send(to_string(Order(settings.start))));
    while (!is_changed(settings)) {
        const auto now = steady_now();
        if (!running.is_ready && now - running.began > kReadyLimit)
            return fail(Errc::unavailable, "it does not begin within 20 s");
        if (now - running.heard > kSilenceLimit)
            return fail(Errc::unavailable, "it has said nothing for a minute");
        constexpr std::chrono::milliseconds kLookAgain{1000};
        const short events =
            static_cast<short>(running.channel.has_waiting() ? POLLIN | POLLOUT : POLLIN);
        std::array<::pollfd, 2> watched{::pollfd{waking_.get(), POLLIN, 0},
                                        ::pollfd{running.channel.fd(), events, 0}};
        ::poll(watched.data(), watched.size(), static_cast<int>(kLookAgain.count()));
        drain_wakes();
        if (watched[1].revents != 0)
            TRY_VOID(running.channel.receive());
        TRY_VOID(exchange(running));
    }
    return {};
}

Result<void> Process::exchange(Running& running)
{
    // As many as fit what is read at once: else what waits here would grow without limit.
    for (;;) {
        TRY(const auto message, running.channel.next());
        if (!message)
            break;
        TRY_VOID(hear(running, *message));
    }
    std::vector<std::string> orders;
    if (running.is_ready) {
        const std::lock_guard lock(mutex_);
        orders.swap(orders_);
    }
    for (const std::string& order : orders)
        TRY_VOID(running.channel.send(order));
    return running.channel.flush();
}

Result<void> Process::hear(Running& running, const std::string& message)
{
    auto word = parse_word(message);
    if (!word)
        return fail(Errc::malformed, "it says " + word.error().message());
    running.heard = steady_now();
    const auto* const ready = std::get_if<Ready>(&*word);
    if ((ready == nullptr) != running.is_ready && std::get_if<Trouble>(&*word) == nullptr)
        return fail(Errc::malformed, "it says things in no order");
    if (ready != nullptr) {
        if (ready->protocol != kProtocol)
            return fail(Errc::malformed, "it is of another version of Aptward");
        running.is_ready = true;
        show(State::working, "", running.pid);
        Report report = *report_.load();
        report.program = printable(ready->program);
        report_ = std::make_shared<const Report>(std::move(report));
        if (!std::exchange(told_, "").empty())
            tell_("swarm.back", "aptward-swarm works again");
    } else if (const auto* const alive = std::get_if<Alive>(&*word)) {
        Report report = *report_.load();
        report.nodes = alive->nodes;
        report.address = alive->address;
        report_ = std::make_shared<const Report>(std::move(report));
    } else if (const auto* const trouble = std::get_if<Trouble>(&*word)) {
        tell_("swarm.trouble", printable(trouble->sentence));
    }
    for (const Hear& listener : hear_)
        listener(*word);
    return {};
}

}  // namespace aptward::swarm
