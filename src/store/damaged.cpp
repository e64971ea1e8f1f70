// SPDX-License-Identifier: GPL-3.0-or-later
#include "store/damaged.h"

#include <sys/stat.h>

#include <algorithm>
#include <tuple>
#include <vector>

namespace aptward::store {
namespace {

struct Aside {
    std::filesystem::path path;
    std::uint64_t bytes;
    timespec since;  // a rename changes the status, and keeps the other times
};

std::vector<Aside> latest_first(const std::filesystem::path& folder)
{
    std::vector<Aside> files;
    std::error_code error;
    for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error)) {
        struct ::stat status{};
        if (::lstat(it->path().c_str(), &status) == 0)
            files.push_back(
                {it->path(), static_cast<std::uint64_t>(status.st_blocks) * 512, status.st_ctim});
    }
    std::sort(files.begin(), files.end(), [](const Aside& a, const Aside& b) {
        return std::tie(a.since.tv_sec, a.since.tv_nsec, a.path) >
               std::tie(b.since.tv_sec, b.since.tv_nsec, b.path);
    });
    return files;
}

}  // namespace

void keep_latest_damaged(const std::filesystem::path& folder)
{
    const auto files = latest_first(folder);
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < files.size(); ++i) {
        bytes += files[i].bytes;
        std::error_code ignored;
        if (i > 0 && (i >= kMostDamagedFiles || bytes > kMostDamagedBytes))
            std::filesystem::remove_all(files[i].path, ignored);
    }
}

}  // namespace aptward::store
