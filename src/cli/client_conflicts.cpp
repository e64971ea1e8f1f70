// SPDX-License-Identifier: GPL-3.0-or-later
// Proxy settings of the machine beside ours, with file and line, and which of the two wins.
#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "cli/client_parts.h"
#include "deb/apt_conf_text.h"

namespace aptward::cli {
namespace {

constexpr std::uint64_t kMaxConfBytes = 1 << 20;
constexpr const char* kMainConf = "/etc/apt/apt.conf";  // read after all parts

// The files apt reads, in its order: the parts (no extension or .conf, sorted), then apt.conf.
std::vector<std::string> conf_files(const std::filesystem::path& root)
{
    const std::string folder = "/etc/apt/apt.conf.d";
    std::vector<std::string> files;
    std::error_code error;
    std::filesystem::directory_iterator entries(node::below(root, folder), error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
        const std::string name = entries->path().filename().string();
        const std::string extension = entries->path().extension().string();
        if (name.front() != '.' && (extension.empty() || extension == ".conf"))
            files.push_back(folder + "/" + name);
    }
    std::sort(files.begin(), files.end());
    files.emplace_back(kMainConf);
    return files;
}

std::string what_to_do(const std::string& file)
{
    if (file.find("auto-apt-proxy") != std::string::npos)
        return "apt-get remove auto-apt-proxy";
    if (file.find("squid-deb-proxy") != std::string::npos)
        return "apt-get remove squid-deb-proxy-client";
    return "remove that line, or comment it out";
}

void judge(const deb::AptSetting& setting, const std::string& file, ProxyConflicts& conflicts)
{
    const std::string name = to_lower(setting.name);
    const std::string place =
        fmt::format("{}:{}: {} \"{}\"", file, setting.line, setting.name, printable(setting.value));
    const std::string general = "acquire::http::proxy";
    const bool is_detector =
        name == general + "-auto-detect" || name == "acquire::http::proxyautodetect";
    const bool is_later = file == kMainConf || file > kAptConfFile;
    if (is_detector && name == general + "-auto-detect" && is_later)
        conflicts.stronger.push_back(fmt::format("{} comes after {} and would win: {}", place,
                                                 kAptConfFile, what_to_do(file)));
    else if (is_detector)
        conflicts.weaker.push_back(
            fmt::format("{} is no longer asked, because {} wins; to be tidy: {}", place,
                        kAptConfFile, what_to_do(file)));
    else if (name == general)
        conflicts.weaker.push_back(fmt::format(
            "{} is no longer used for http sources, not even when no node answers; https sources "
            "still take it. If nothing needs it: {}",
            place, what_to_do(file)));
    else if (name.rfind(general + "::", 0) == 0)
        conflicts.weaker.push_back(
            fmt::format("{} still holds for that host: it goes past the "
                        "nodes. If that is not wanted: {}",
                        place, what_to_do(file)));
}

}  // namespace

ProxyConflicts find_conflicts(const std::filesystem::path& root)
{
    ProxyConflicts conflicts;
    for (const std::string& file : conf_files(root)) {
        if (file == kAptConfFile)
            continue;
        const auto text = read_file(node::below(root, file), kMaxConfBytes);
        if (!text)
            continue;
        for (const deb::AptSetting& setting : deb::read_apt_conf(*text))
            if (!setting.value.empty())
                judge(setting, file, conflicts);
    }
    return conflicts;
}

}  // namespace aptward::cli
