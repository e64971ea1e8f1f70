// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// aptward-swarm, started and watched by the node: it reads what strangers send, so it has neither
// the node's key nor its store, and its end is no trouble to the node.
// docs/decisions/0032-swarm.md.

#include <sys/types.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "swarm/channel.h"
#include "swarm/messages.h"

namespace aptward::swarm {

/// Before it is started again: twice as long each time, up to the second.
inline constexpr std::chrono::milliseconds kFirstPause{1000}, kLongestPause{300'000};
/// A process that has worked so long may be started again at once.
inline constexpr std::chrono::seconds kWorkedWell{60};

/// The program beside the node's own, or in libexec/aptward beside its folder. Nothing when it is
/// not installed.
std::optional<std::filesystem::path> find_program();

/// Any thread.
class Process {
public:
    enum class State {
        off,       ///< Nobody wants it.
        absent,    ///< There is no such program; it is looked for again.
        starting,  ///< Or it ended, and is started again.
        working,
    };
    struct Settings {
        std::filesystem::path program;  ///< Empty: as find_program() says.
        std::filesystem::path staging;  ///< The only folder that it may change; made if missing.
        Start start;
        bool operator==(const Settings&) const = default;
    };
    struct Report {
        State state = State::off;
        std::string why;             ///< Of absent and starting: one sentence.
        std::string program;         ///< What it says it is.
        std::string address;         ///< Of this node, as others see it; empty: nobody has said.
        std::uint32_t nodes = 0;     ///< Of the DHT, that it knows.
        std::uint64_t restarts = 0;  ///< Since the node started.
        ::pid_t pid = 0;             ///< 0: it does not run.
        SystemTime since{};          ///< It is in this state.
    };
    /// An event for operators.
    using Tell = std::function<void(std::string code, std::string message)>;
    using Hear = std::function<void(const Word&)>;

    explicit Process(Tell tell) : tell_(std::move(tell)) {}
    ~Process() { stop(); }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    /// `hear` gets every message on the process's thread, and must neither block nor throw. A Ready
    /// says that a process has begun which knows nothing of what was said before. Before use().
    void listen(Hear hear) { hear_.push_back(std::move(hear)); }

    /// From now on such a process is to run; nothing: none is.
    void use(std::optional<Settings> settings);
    /// Dropped unless it works: whoever wants something says it again after a Ready.
    void say(const Order& order);
    Report report() const { return *report_.load(); }
    /// Ends the process, if it runs.
    void stop();

private:
    struct Running {
        Channel channel;
        ::pid_t pid = 0;
        SteadyTime began{}, heard{};
        bool is_ready = false;
    };

    void run();
    std::optional<Settings> wanted();
    void watch(const Settings& settings, const std::filesystem::path& program);
    Result<void> converse(Running& running, const Settings& settings);
    Result<void> exchange(Running& running);
    Result<void> hear(Running& running, const std::string& message);
    void show(State state, std::string why, ::pid_t pid = 0);
    void pause(SteadyTime until, const std::optional<Settings>& meanwhile);
    bool is_stopping();
    bool is_changed(const std::optional<Settings>& from);
    void drain_wakes() const;

    const Tell tell_;
    std::vector<Hear> hear_;
    Fd waking_;
    std::mutex mutex_;  // guards the next four
    std::optional<Settings> settings_;
    std::vector<std::string> orders_;
    bool is_stopping_ = false;
    std::thread thread_;  // once somebody wants it
    std::atomic<std::shared_ptr<const Report>> report_{std::make_shared<const Report>()};
    // Of the thread:
    unsigned failures_ = 0;  // in a row
    std::string told_;       // why it did not work, as operators were told
};
std::string_view to_string(Process::State state);

}  // namespace aptward::swarm
