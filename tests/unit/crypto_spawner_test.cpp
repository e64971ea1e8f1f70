// SPDX-License-Identifier: GPL-3.0-or-later
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "base/sanitizer.h"
#include "crypto/crypto.h"

namespace aptward::crypto {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class SpawnerTest : public testing::Test {
protected:
    static void SetUpTestSuite()
    {
        auto started = Spawner::start();
        ASSERT_TRUE(started) << started.error().message();
        spawner_ = std::move(*started);
    }
    static void TearDownTestSuite() { spawner_.reset(); }

    static Result<Spawner::Outcome> shell(const std::string& script,
                                          const std::vector<std::string_view>& inputs = {},
                                          std::chrono::seconds limit = 10s)
    {
        return spawner_->run("/bin/sh", {"-c", script, "@0", "@1"}, inputs, limit);
    }

    static std::string said(const std::string& script,
                            const std::vector<std::string_view>& inputs = {})
    {
        const auto outcome = shell(script, inputs);
        return outcome ? outcome->output : outcome.error().message();
    }

    static std::unique_ptr<Spawner> spawner_;
};

std::unique_ptr<Spawner> SpawnerTest::spawner_;

TEST_F(SpawnerTest, GivesExitStatusAndOutput)
{
    const auto outcome = shell("echo hello >&3; exit 7");
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_EQ(outcome->output, "hello\n");
    EXPECT_TRUE(WIFEXITED(outcome->exit_status));
    EXPECT_EQ(WEXITSTATUS(outcome->exit_status), 7);
}

TEST_F(SpawnerTest, HandsInputsOverAsFilesThatNobodyCanChange)
{
    const std::string large(3'000'000, 'z');
    EXPECT_EQ(said("cat $0 >&3; wc -c <$1 >&3; cat $0 >&3", {"one\n", large}),
              "one\n3000000\none\n");
    EXPECT_EQ(said("(echo two >$0) 2>/dev/null; cat $0 >&3", {"one\n", ""}), "one\n");
}

TEST_F(SpawnerTest, V41_GivesNoNetwork)
{
    const auto tried =
        spawner_->run("/usr/bin/perl",
                      {"-e",
                       "use Socket; open(F, '>&=3');"
                       "print F socket(S, AF_INET, SOCK_STREAM, 0) ? 'open' : 'refused';"
                       "print F socket(S, AF_UNIX, SOCK_STREAM, 0) ? 'open' : 'refused';"},
                      {}, 10s);
    ASSERT_TRUE(tried) << tried.error().message();
    EXPECT_EQ(tried->output, "refusedrefused");
}

TEST_F(SpawnerTest, V41_GivesNoEnvironmentDirectoryOrDescriptors)
{
    EXPECT_EQ(said("env | grep -v -e ^PWD= -e ^_= -e ^OLDPWD= | sort >&3"),
              "LC_ALL=C\nPATH=/usr/bin:/bin\n");
    EXPECT_EQ(said("pwd >&3"), "/\n");
    // Reading the directory opens one more.
    EXPECT_THAT(said("cd /proc/$$/fd; echo * >&3", {"x"}),
                testing::AnyOf("0 1 2 3 4\n", "0 1 2 3 4 5\n"));
}

TEST_F(SpawnerTest, V41_GivesNoRightsOfRootAndNoWriting)
{
    EXPECT_NE(said("id -u >&3"), "0\n");
    EXPECT_EQ(said("grep -c 'NoNewPrivs:.1' /proc/self/status >&3"), "1\n");
    EXPECT_EQ(said("(echo x >/tmp/aptward-spawner-test) 2>/dev/null && echo written >&3"), "");
    EXPECT_EQ(said("mkdir /tmp/aptward-spawner-test && echo made >&3"), "");
    EXPECT_EQ(said("kill -0 " + std::to_string(::getpid()) + " && echo reached >&3"), "");
}

TEST_F(SpawnerTest, V41_SetsLimits)
{
    // In the shell's units: KiB, 512-byte blocks, seconds, blocks, descriptors.
    EXPECT_EQ(said("ulimit -f >&3; ulimit -t >&3; ulimit -c >&3; ulimit -n >&3"),
              "125000\n10\n0\n64\n");
    EXPECT_EQ(said("ulimit -v >&3"), kHasAddressSanitizer ? "unlimited\n" : "1048576\n");
}

TEST_F(SpawnerTest, R13_ReportsAMissingProgram)
{
    const auto outcome = spawner_->run("/nonexistent/gpgv", {}, {}, 10s);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code(), Errc::unavailable);
    EXPECT_EQ(outcome.error().message(), "starting /nonexistent/gpgv: No such file or directory");
}

TEST_F(SpawnerTest, R13_StopsWhatTakesTooLongTogetherWithItsChildren)
{
    const SteadyTime start = steady_now();
    const auto outcome = shell("echo begun >&3; sleep 60 & sleep 60", {}, 1s);
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_EQ(outcome->exit_status, -1);
    EXPECT_EQ(outcome->output, "begun\n");
    EXPECT_LT(steady_now() - start, 4s);
}

TEST_F(SpawnerTest, R13_IsNotHeldUpByAnOrphanThatKeepsThePipe)
{
    const SteadyTime start = steady_now();
    const auto outcome = shell("sleep 60 & echo done >&3");
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_EQ(outcome->output, "done\n");
    EXPECT_LT(steady_now() - start, 4s);
}

TEST_F(SpawnerTest, R13_ReportsTheSignalOfACrash)
{
    const auto outcome = shell("kill -SEGV $$");
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_TRUE(WIFSIGNALED(outcome->exit_status));
    EXPECT_EQ(WTERMSIG(outcome->exit_status), SIGSEGV);
}

TEST_F(SpawnerTest, A4_StopsEndlessOutput)
{
    const auto outcome = shell("yes >&3");
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code(), Errc::unavailable);
    EXPECT_THAT(outcome.error().message(), HasSubstr("without end"));
}

TEST_F(SpawnerTest, RefusesMoreThanOnePacketOfArguments)
{
    const auto outcome = spawner_->run("/bin/true", {std::string(20'000, 'x')}, {}, 10s);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code(), Errc::unavailable);
}

TEST_F(SpawnerTest, ServesSeveralThreadsSideBySide)
{
    const SteadyTime start = steady_now();
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([i] {
            const std::string text = "thread " + std::to_string(i) + "\n";
            for (int round = 0; round < 2; ++round)
                EXPECT_EQ(said("sleep 0.4; cat $0 >&3", {text}), text);
        });
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_LT(steady_now() - start, 4s) << "one after the other it takes 6.4 s";
}

// What a terminal or a service manager sends to everybody.
TEST_F(SpawnerTest, LeavesSignalsToTheNode)
{
    const std::string self = std::to_string(::getpid());
    std::ifstream list("/proc/" + self + "/task/" + self + "/children");
    ::pid_t child = 0;
    if (!(list >> child))
        GTEST_SKIP() << "this kernel does not list children";
    for (const int number : {SIGINT, SIGTERM, SIGHUP})
        ASSERT_EQ(::kill(child, number), 0);
    EXPECT_EQ(said("echo alive >&3"), "alive\n");
}

TEST_F(SpawnerTest, R13_ReportsADeadSpawner)
{
    auto started = Spawner::start();
    ASSERT_TRUE(started);
    const std::string self = std::to_string(::getpid());
    std::ifstream list("/proc/" + self + "/task/" + self + "/children");
    ::pid_t first = 0;
    ::pid_t last = 0;
    if (!(list >> first >> last))
        GTEST_SKIP() << "this kernel does not list children";
    ASSERT_EQ(::kill(last, SIGKILL), 0);
    const auto outcome = (*started)->run("/bin/true", {}, {}, 2s);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code(), Errc::unavailable);
}

}  // namespace
}  // namespace aptward::crypto
