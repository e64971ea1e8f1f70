// SPDX-License-Identifier: GPL-3.0-or-later
// Rehashing everything held: finds what the disk changed behind our back (R7, R8).
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/clock.h"
#include "crypto/crypto.h"
#include "store/store.h"

namespace aptward::store {
namespace {

constexpr std::size_t kChunk = 256 * 1024;
constexpr std::chrono::milliseconds kLongestPause{100};  // so that a stop is heard soon

/// Asks whether to go on after every chunk, and waits when it was too fast.
class Pace {
public:
    Pace(const Blobs::ScrubOptions& options, const Blobs::ScrubReport& report)
        : options_(options), report_(report), started_(steady_now())
    {
    }

    bool goes_on(std::size_t read_bytes)
    {
        bytes_ += read_bytes;
        for (;;) {
            if (options_.goes_on && !options_.goes_on(report_))
                return false;
            if (options_.rate_bytes_per_s == 0)
                return true;
            const std::chrono::duration<double> due(static_cast<double>(bytes_) /
                                                    static_cast<double>(options_.rate_bytes_per_s));
            const std::chrono::duration<double> ahead = due - (steady_now() - started_);
            if (ahead.count() <= 0)
                return true;
            std::this_thread::sleep_for(
                std::min<std::chrono::duration<double>>(ahead, kLongestPause));
        }
    }

private:
    const Blobs::ScrubOptions& options_;
    const Blobs::ScrubReport& report_;
    const SteadyTime started_;
    std::uint64_t bytes_ = 0;
};

enum class Check { right, damaged, stopped };

// Whether the file's bytes have the hash that its name says.
Check check(const Fd& file, const Digest& digest, Pace& pace, std::vector<char>& buffer)
{
    crypto::Hasher hasher(digest.algorithm);
    for (;;) {
        const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return Check::damaged;
        if (got == 0)
            return hasher.digest().hash == digest.hash ? Check::right : Check::damaged;
        const auto count = static_cast<std::size_t>(got);
        hasher.update({buffer.data(), count});
        if (!pace.goes_on(count))
            return Check::stopped;
    }
}

// Reading is no use: evict() goes by the access time. That flag is the owner's alone.
Fd open_unnoticed(const std::filesystem::path& path)
{
    constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW;
    Fd file(::open(path.c_str(), kFlags | O_NOATIME));
    if (!file && errno == EPERM)
        file = Fd(::open(path.c_str(), kFlags));
    return file;
}

// Names in order, so that a cursor says what is done. One folder holds a 256th of all.
Result<std::vector<std::filesystem::path>> sorted(const std::filesystem::path& folder)
{
    std::vector<std::filesystem::path> files;
    std::error_code error;
    for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error))
        files.push_back(it->path());
    if (error)  // a folder that cannot be read is not a folder without damage
        return fail_errno("reading " + folder.string(), error.value());
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

Result<Blobs::ScrubReport> Blobs::scrub(const ScrubOptions& options) const
{
    ScrubReport report = options.before;
    report.total_bytes = std::max(volume().bytes, report.checked_bytes);
    report.is_whole = false;
    Pace pace(options, report);
    std::vector<char> buffer(kChunk);
    for (const char* algorithm : {"sha256", "sha512"})
        for (int i = 0; i < 256; ++i) {
            TRY(const auto files, sorted(root_ / algorithm / fmt::format("{:02x}", i)));
            for (const auto& path : files) {
                const std::string name = path.filename().string();
                const std::string cursor = std::string(algorithm) + "/" + name;
                if (cursor <= report.cursor)
                    continue;
                std::error_code error;
                const bool is_file =
                    std::filesystem::is_regular_file(std::filesystem::symlink_status(path, error));
                const std::uint64_t size = is_file ? std::filesystem::file_size(path, error) : 0;
                const auto digest = parse_digest(name, size);
                const Fd file = open_unnoticed(path);
                if (!file && errno == ENOENT)
                    continue;  // set aside or collected since the folder was listed
                // A want of descriptors or memory says nothing about the file.
                if (!file && errno != ELOOP && errno != EACCES && errno != EIO)
                    return fail_errno("opening " + path.string(), errno);
                const Check found =
                    digest && file && is_file ? check(file, *digest, pace, buffer) : Check::damaged;
                if (found == Check::stopped)
                    return report;
                if (found == Check::damaged) {
                    report.damaged_names.push_back(name);
                    if (digest)
                        TRY_VOID(set_aside(*digest));
                }
                ++report.checked;
                // A SHA-512 name is a second link to bytes that were counted.
                if (std::string_view(algorithm) == "sha256")
                    report.checked_bytes += size;
                report.cursor = cursor;
                if (!pace.goes_on(0))
                    return report;
            }
        }
    report.is_whole = true;
    return report;
}

}  // namespace aptward::store
