// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/port_holder.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/text.h"

namespace aptward::node {
namespace {

constexpr std::uint64_t kMaxTableBytes = 64 << 20;
constexpr std::string_view kListening = "0A";  // TCP_LISTEN

struct Holder {
    std::string program, process;
};

// The process that has one of these sockets open. Other users' are visible to root only.
std::optional<Holder> find_process(const std::vector<std::string>& inodes)
{
    std::error_code error;
    std::filesystem::directory_iterator processes("/proc", error);
    for (; !error && processes != std::filesystem::directory_iterator();
         processes.increment(error)) {
        const std::string process = processes->path().filename().string();
        if (!parse_number(process))
            continue;
        std::error_code gone;
        std::filesystem::directory_iterator files(processes->path() / "fd", gone);
        for (; !gone && files != std::filesystem::directory_iterator(); files.increment(gone)) {
            std::error_code closed;
            const std::string link = std::filesystem::read_symlink(files->path(), closed).string();
            for (const std::string& inode : inodes)
                if (link == "socket:[" + inode + "]") {
                    const std::string name =
                        read_file(processes->path() / "comm", 4096).value_or("a program\n");
                    return Holder{std::string(trim(name.substr(0, name.find('\n')))), process};
                }
        }
    }
    return std::nullopt;
}

}  // namespace

// "  0: 0100007F:0C46 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 12345 ..."
std::vector<std::string> listening_inodes(std::string_view table, unsigned port)
{
    const std::string wanted = fmt::format(":{:04X}", port);
    std::vector<std::string> inodes;
    for (std::size_t start = 0; start < table.size();) {
        const std::size_t end = std::min(table.find('\n', start), table.size());
        const auto fields = words(table.substr(start, end - start));
        start = end + 1;
        if (fields.size() > 9 && fields[3] == kListening && fields[1].ends_with(wanted))
            inodes.emplace_back(fields[9]);
    }
    return inodes;
}

std::string in_use_message(const std::string& address, std::string_view example)
{
    const auto port = parse_number<std::uint16_t>(address.substr(address.rfind(':') + 1));
    std::vector<std::string> inodes;
    for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
        const auto found =
            listening_inodes(read_file(table, kMaxTableBytes).value_or(""), port.value_or(0));
        inodes.insert(inodes.end(), found.begin(), found.end());
    }
    const auto holder = find_process(inodes);
    std::string message = holder ? fmt::format("{} is in use by {} (process {})", address,
                                               holder->program, holder->process)
                                 : address + " is in use by another program";
    message += fmt::format(": write another address, such as {}", example);
    if (holder && holder->program == "apt-cacher-ng")
        message += "; `aptward import apt-cacher-ng` prints its rules for a node beside it";
    return message;
}

}  // namespace aptward::node
