// SPDX-License-Identifier: GPL-3.0-or-later
// Blobs go when there is no room for them; what somebody is about to need stays (R27).
//
// The time of last use is the file's access time, which we set ourselves: mounts without atime keep
// it all the same, and it is nobody's modification time. A blob that may go is renamed away first
// and looked at then: a use() from before that shows in its time, and it is put back; one from
// after finds nothing and says so. There is no moment between the two.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "store/store.h"
#include "store/use.h"

namespace aptward::store {
namespace {

constexpr std::chrono::hours kNoteEvery{1};
// By which a clock is set back beside somebody who relies on a file (a guess: the time zone of a
// clock that was read as UTC is less). What is further ahead is of a clock that was wrong.
constexpr std::chrono::hours kMostAhead{24};

// Long ago, where the time is none that can be.
SystemTime used_of(const struct ::stat& status)
{
    const SystemTime used = from_unix(status.st_atim.tv_sec);
    return used - system_now() > kMostAhead ? SystemTime() : used;
}

constexpr timespec kNowAndNothing[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};

}  // namespace

bool is_to_be_noted(SystemTime noted, SystemTime now)
{
    return now - noted >= kNoteEvery || noted - now > kNoteEvery;
}

void note_use(const Fd& file, const struct ::stat& status)
{
    if (is_to_be_noted(used_of(status), system_now()))
        const int ignored [[maybe_unused]] = ::futimens(file.get(), kNowAndNothing);
}

bool Blobs::use(const Digest& digest) const
{
    struct ::stat status{};
    const auto path = path_of(digest);
    return ::utimensat(AT_FDCWD, path.c_str(), kNowAndNothing, AT_SYMLINK_NOFOLLOW) == 0 &&
           ::lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
           static_cast<std::uint64_t>(status.st_size) == digest.size_bytes;
}

std::filesystem::path Blobs::eviction_path_of(const Digest& digest) const
{
    return root_ / "evicting" / digest.hex();
}

Result<bool> Blobs::evict(const Digest& digest, SystemTime before) const
{
    const auto path = path_of(digest), aside = eviction_path_of(digest);
    struct ::stat status{};
    if (::lstat(path.c_str(), &status) == 0 && used_of(status) >= before)
        return false;  // the plan is old
    if (::rename(path.c_str(), aside.c_str()) != 0) {
        if (errno == ENOENT)
            return false;
        return fail_errno("evicting " + path.string(), errno);
    }
    const bool is_unused = ::lstat(aside.c_str(), &status) == 0 && used_of(status) < before;
    // Put back by a link: whoever stored the same bytes meanwhile has the name already.
    if (!is_unused && ::link(aside.c_str(), path.c_str()) != 0 && errno != EEXIST)
        return fail_errno("putting back " + path.string(), errno);
    if (::unlink(aside.c_str()) != 0)
        return fail_errno("evicting " + path.string(), errno);
    tell(digest);
    return is_unused;
}

// A node died while it looked at one: it is whole, and nobody decided that it goes.
Result<void> Blobs::put_back_evicted() const
{
    std::error_code error;
    for (std::filesystem::directory_iterator it(root_ / "evicting", error), end;
         !error && it != end; it.increment(error)) {
        const auto digest = parse_digest(it->path().filename().string(), 0);
        if (digest && ::link(it->path().c_str(), path_of(*digest).c_str()) != 0 && errno != EEXIST)
            return fail_errno("putting back " + path_of(*digest).string(), errno);
        if (::unlink(it->path().c_str()) != 0)
            return fail_errno("removing " + it->path().string(), errno);
    }
    return {};
}

std::size_t Blobs::estimate() const
{
    std::size_t count = 0;
    std::error_code error;
    for (std::filesystem::directory_iterator it(root_ / "sha256" / "00", error), end;
         !error && it != end; it.increment(error))
        ++count;
    return count * 256 + count * 32;  // names are spread evenly
}

Result<void> Blobs::each(const std::function<bool(const Entry&)>& visit) const
{
    // What is to lose both names loses the second one first: a crash leaves the one that counts.
    for (const char* algorithm : {"sha512", "sha256"})
        for (int i = 0; i < 256; ++i) {
            const auto folder = root_ / algorithm / fmt::format("{:02x}", i);
            const Fd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
            if (!directory)
                return fail_errno("reading " + folder.string(), errno);
            std::error_code error;
            for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
                 it.increment(error)) {
                struct ::stat status{};
                const std::string name = it->path().filename().string();
                if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
                    !S_ISREG(status.st_mode))
                    continue;  // gone, or damage: the scrub's
                const auto digest = parse_digest(name, static_cast<std::uint64_t>(status.st_size));
                if (digest && !visit({*digest, status.st_ino, used_of(status)}))
                    return {};
            }
            if (error)
                return fail_errno("reading " + folder.string(), error.value());
        }
    return {};
}

}  // namespace aptward::store
