// SPDX-License-Identifier: GPL-3.0-or-later
#include "swarm/process.h"

#include <gmock/gmock.h>

#include <condition_variable>
#include <csignal>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/file.h"
#include "temporary_folder.h"

namespace aptward::swarm {
namespace {

using testing::HasSubstr;

// What a program says on its socket, as a shell writes it.
std::string octal(std::string_view bytes)
{
    constexpr std::string_view kDigits = "01234567";
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += {'\\', kDigits[byte >> 6 & 7], kDigits[byte >> 3 & 7], kDigits[byte & 7]};
    }
    return text;
}

std::string saying(const Word& word)
{
    return "printf '" + octal(Frames::frame(to_string(word))) + "' >&3\n";
}

const std::string kReady = saying(Ready{kProtocol, "fake/1"});

class SwarmProcess : public testing::Test {
protected:
    Process::Settings settings(const std::string& script)
    {
        const auto program = folder_.path() / "program";
        std::ofstream(program) << "#!/bin/sh\n" << script;
        std::filesystem::permissions(program, std::filesystem::perms::owner_all);
        return {program, folder_.path() / "staging", {}};
    }
    // What operators are told, until something has this in it.
    std::string told(const std::string& wanted)
    {
        std::unique_lock lock(mutex_);
        std::string found;
        news_.wait_for(lock, std::chrono::seconds(30), [&] {
            for (const std::string& one : told_)
                if (one.find(wanted) != std::string::npos)
                    found = one;
            return !found.empty();
        });
        return found;
    }
    bool hears(const Word& wanted)
    {
        std::unique_lock lock(mutex_);
        return news_.wait_for(lock, std::chrono::seconds(30), [&] {
            return std::find(heard_.begin(), heard_.end(), wanted) != heard_.end();
        });
    }
    void SetUp() override
    {
        process_.listen([this](const Word& word) {
            const std::lock_guard lock(mutex_);
            heard_.push_back(word);
            news_.notify_all();
        });
    }

    TemporaryFolder folder_;
    std::mutex mutex_;
    std::condition_variable news_;
    std::vector<std::string> told_;
    std::vector<Word> heard_;
    Process process_{[this](const std::string& code, const std::string& message) {
        const std::lock_guard lock(mutex_);
        told_.push_back(code + ": " + message);
        news_.notify_all();
    }};
};

TEST_F(SwarmProcess, PassesMessagesOn)
{
    const Word alive = Alive{3, "192.0.2.1"};
    process_.use(settings(kReady + saying(alive) + "exec cat <&3 >&2\n"));
    EXPECT_TRUE(hears(Ready{kProtocol, "fake/1"}));
    EXPECT_TRUE(hears(alive));
    const auto report = process_.report();
    EXPECT_EQ(report.state, Process::State::working);
    EXPECT_EQ(report.program, "fake/1");
    EXPECT_EQ(report.nodes, 3U);
    process_.stop();
    EXPECT_NE(::kill(report.pid, 0), 0) << "it ends with the node";
}

TEST_F(SwarmProcess, SaysWhatIsToBeDoneWhenItIsReady)
{
    const std::string order = to_string(Order(Lookup{}));
    process_.listen([this](const Word& word) {
        if (std::get_if<Ready>(&word) != nullptr)
            process_.say(Lookup{});
    });
    const std::size_t all = Frames::frame(to_string(Order(Start{}))).size() + 4 + order.size();
    process_.use(settings(kReady + "head -c " + std::to_string(all) + " <&3 > " +
                          (folder_.path() / "heard").string() + "\n" + saying(Alive{7, ""}) +
                          "exec cat <&3 >&2\n"));
    EXPECT_TRUE(hears(Alive{7, ""}));
    const auto heard = read_file(folder_.path() / "heard", 10'000);
    ASSERT_TRUE(heard);
    EXPECT_THAT(*heard, HasSubstr("start internet 0"));
    EXPECT_THAT(*heard, HasSubstr(order));
}

TEST_F(SwarmProcess, IsStartedAgainWhenItDies)
{
    process_.use(settings(kReady + "exec sleep 1000\n"));
    ASSERT_TRUE(hears(Ready{kProtocol, "fake/1"}));
    const ::pid_t first = process_.report().pid;
    {
        const std::lock_guard lock(mutex_);
        heard_.clear();
    }
    ASSERT_EQ(::kill(first, SIGTERM), 0);
    EXPECT_THAT(told("swarm.ended"), HasSubstr("signal 15"));
    EXPECT_TRUE(hears(Ready{kProtocol, "fake/1"}));
    EXPECT_THAT(told("swarm.back"), HasSubstr("works again"));
    EXPECT_EQ(process_.report().restarts, 1U);
    EXPECT_NE(process_.report().pid, first);
}

TEST_F(SwarmProcess, IsEndedWhenItSaysWhatIsNone)
{
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"head -c 100000 /dev/zero >&3\n", "64 kB"},
        {"printf '\\377\\377\\377\\377' >&3\nexec sleep 1000\n", "64 kB"},
        {"printf '" + octal(Frames::frame("dance")) + "' >&3\nexec sleep 1000\n", "no known kind"},
        {saying(Alive{1, ""}) + "exec sleep 1000\n", "no order"},
        {kReady + kReady + "exec sleep 1000\n", "no order"},
        {saying(Ready{kProtocol + 1, "fake/2"}) + "exec sleep 1000\n", "another version"}};
    for (const auto& [script, why] : cases) {
        {
            const std::lock_guard lock(mutex_);
            told_.clear();
        }
        process_.use(settings("# " + why + "\n" + script));
        EXPECT_THAT(told(why), HasSubstr("swarm.ended")) << script;
        process_.use(std::nullopt);
    }
}

TEST_F(SwarmProcess, AnAbsentProgramIsToldOnceAndIsNoTrouble)
{
    process_.use(Process::Settings{folder_.path() / "nothing", folder_.path() / "staging", {}});
    EXPECT_THAT(told("swarm.absent"), HasSubstr("not installed"));
    EXPECT_EQ(process_.report().state, Process::State::absent);
    process_.say(Lookup{});
    process_.use(std::nullopt);
    for (int i = 0; i < 1000 && process_.report().state != Process::State::off; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(process_.report().state, Process::State::off);
}

TEST_F(SwarmProcess, IsWantedNoMoreWhileItWorks)
{
    process_.use(settings(kReady + "exec sleep 1000\n"));
    ASSERT_TRUE(hears(Ready{kProtocol, "fake/1"}));
    const ::pid_t pid = process_.report().pid;
    process_.use(std::nullopt);
    for (int i = 0; i < 1000 && process_.report().state != Process::State::off; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(process_.report().state, Process::State::off);
    EXPECT_NE(::kill(pid, 0), 0);
}

}  // namespace
}  // namespace aptward::swarm
