// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/self_check.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

namespace aptward::cli {
namespace {

// A private root for apt: the machine's sources and keys, everything else of its own.
Result<std::filesystem::path> make_root(const std::string& address)
{
    std::string pattern =
        (std::filesystem::temp_directory_path() / "aptward-check-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
        return fail_errno("creating a temporary folder", errno);
    const std::filesystem::path root = pattern;
    TRY_VOID(make_directories(root / "state/lists/partial"));
    TRY_VOID(make_directories(root / "cache/archives/partial"));
    const std::string text = fmt::format(
        "Dir::State \"{0}/state\";\nDir::State::status \"/var/lib/dpkg/status\";\n"
        "Dir::Cache \"{0}/cache\";\nAcquire::http::Proxy \"http://{1}\";\n"
        "Acquire::https::Proxy \"DIRECT\";\nAPT::Sandbox::User \"\";\n"
        "Acquire::Check-Date \"true\";\nAcquire::Check-Valid-Until \"true\";\n"
        "APT::Update::Pre-Invoke {{ }};\nAPT::Update::Post-Invoke {{ }};\n"
        "APT::Update::Post-Invoke-Success {{ }};\n#clear APT::Update::Post-Invoke;\n"
        "#clear APT::Update::Post-Invoke-Success;\n#clear APT::Update::Pre-Invoke;\n",
        root.string(), address);
    TRY_VOID(write_file_durably(root / "apt.conf", text));
    return root;
}

Result<int> run(const std::vector<std::string>& command,
                const std::vector<std::string>& environment, const std::filesystem::path& output)
{
    const auto pointers = [](const std::vector<std::string>& texts) {
        std::vector<char*> list;
        for (const std::string& text : texts)
            list.push_back(const_cast<char*>(text.c_str()));  // posix_spawn's signature is older
        list.push_back(nullptr);
        return list;
    };
    ::posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                       0644);
    ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
    ::posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    ::pid_t pid = 0;
    const int error = ::posix_spawn(&pid, command.front().c_str(), &actions, &attributes,
                                    pointers(command).data(), pointers(environment).data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0)
        return fail_errno("starting " + command.front(), error);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

}  // namespace

std::string check_with_apt(const std::string& address)
{
    auto root = make_root(address);
    if (!root)
        return "self-check: not possible: " + root.error().message();
    const SteadyTime started = steady_now();
    // On the command line, because the machine's own configuration may name a proxy or ask a
    // program for one, and would win over a file.
    const auto status =
        run({"/usr/bin/apt-get", "update", "-q", "-o", "Acquire::http::Proxy=http://" + address,
             "-o", "Acquire::http::Proxy-Auto-Detect=", "-o", "Acquire::http::ProxyAutoDetect="},
            {"APT_CONFIG=" + (*root / "apt.conf").string(), "LC_ALL=C",
             "PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
            *root / "output");
    const double seconds = std::chrono::duration<double>(steady_now() - started).count();
    const std::string said = read_file(*root / "output", 1 << 20).value_or("");
    std::error_code ignored;
    std::filesystem::remove_all(*root, ignored);
    if (!status)
        return "self-check: not possible: " + status.error().message();
    const bool has_trouble = said.find("\nErr:") != std::string::npos ||
                             said.find("\nW: ") != std::string::npos ||
                             said.find("\nE: ") != std::string::npos;
    if (*status == 0 && !has_trouble)
        return fmt::format(
            "self-check: a real apt-get update through this node succeeded in {:.1f} s\n", seconds);
    return fmt::format(
        "self-check: apt-get update through this node {} (exit status {}); apt said:\n\n{}",
        *status == 0 ? "had warnings" : "failed", *status, said);
}

}  // namespace aptward::cli
