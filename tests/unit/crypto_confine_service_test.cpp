// SPDX-License-Identifier: GPL-3.0-or-later
#include "crypto/confine_service.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <thread>

#include "temporary_folder.h"

namespace aptward::crypto {
namespace {

bool opens(const std::filesystem::path& path, int flags)
{
    const int file = ::open(path.c_str(), flags, 0600);
    if (file >= 0)
        ::close(file);
    return file >= 0;
}

class ConfinedService : public testing::Test {
protected:
    // Whether it is so in a confined process.
    template <class Question>
    bool in_it(Question question)
    {
        const ::pid_t child = ::fork();
        if (child == 0)
            ::_exit(!confine_service(mine_) ? 2 : question() ? 0 : 1);
        int status = 0;
        ::waitpid(child, &status, 0);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 2) << status;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    void SetUp() override
    {
        std::filesystem::create_directories(mine_);
        std::ofstream(others_) << "what a node holds";
    }

    TemporaryFolder folder_;
    const std::filesystem::path mine_ = folder_.path() / "mine";
    const std::filesystem::path others_ = folder_.path() / "others";
};

TEST_F(ConfinedService, MayChangeItsFolder)
{
    EXPECT_TRUE(in_it([this] {
        return opens(mine_ / "file", O_RDWR | O_CREAT) &&
               ::mkdir((mine_ / "sub").c_str(), 0700) == 0 &&
               opens(mine_ / "file", O_RDWR | O_TRUNC) &&
               ::rename((mine_ / "file").c_str(), (mine_ / "other").c_str()) == 0 &&
               ::unlink((mine_ / "other").c_str()) == 0 && ::rmdir((mine_ / "sub").c_str()) == 0;
    }));
}

TEST_F(ConfinedService, SeesNothingOfTheNodes)
{
    EXPECT_FALSE(in_it([this] { return opens(others_, O_RDONLY); }));
    EXPECT_FALSE(in_it([this] { return opens(others_, O_WRONLY); }));
    EXPECT_FALSE(in_it([this] { return opens(folder_.path() / "new", O_WRONLY | O_CREAT); }));
    EXPECT_FALSE(in_it([this] { return ::truncate(others_.c_str(), 0) == 0; }));
    EXPECT_FALSE(in_it([this] { return opens(others_, O_RDONLY | O_TRUNC); }));
    EXPECT_FALSE(in_it([this] { return ::unlink(others_.c_str()) == 0; }));
    EXPECT_FALSE(in_it([this] { return ::chmod(others_.c_str(), 0777) == 0; }));
    EXPECT_FALSE(in_it([this] {
        return ::link(others_.c_str(), (mine_ / "link").c_str()) == 0 ||
               ::symlink(others_.c_str(), (mine_ / "link").c_str()) == 0;
    }));
    EXPECT_FALSE(in_it([] { return opens("/etc/passwd", O_RDONLY); }));
}

TEST_F(ConfinedService, StartsNothingAndSpeaksToNobodyOnTheMachine)
{
    EXPECT_FALSE(in_it([] {
        std::array<char*, 1> none{nullptr};
        return ::execve("/bin/true", none.data(), none.data()) == 0 || errno != EACCES;
    }));
    EXPECT_FALSE(in_it([] { return ::fork() >= 0; }));
    EXPECT_FALSE(in_it([] { return ::kill(::getppid(), 0) == 0; }));
    EXPECT_FALSE(in_it([] { return ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }));
    EXPECT_FALSE(in_it([] { return ::socket(AF_PACKET, SOCK_RAW, 0) >= 0; }));
    EXPECT_FALSE(in_it([] { return ::setuid(1) == 0 && ::geteuid() == 1; }));
}

TEST_F(ConfinedService, HasTheNetworkAndThreads)
{
    EXPECT_TRUE(in_it([] { return ::socket(AF_INET, SOCK_DGRAM, 0) >= 0; }));
    EXPECT_TRUE(in_it([] { return ::socket(AF_INET6, SOCK_STREAM, 0) >= 0; }));
    EXPECT_TRUE(in_it([] {
        bool has_run = false;
        std::thread([&has_run] { has_run = true; }).join();
        return has_run;
    }));
}

}  // namespace
}  // namespace aptward::crypto
