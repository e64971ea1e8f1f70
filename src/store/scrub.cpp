// SPDX-License-Identifier: GPL-3.0-or-later
// Rehashing everything held: finds what the disk changed behind our back (R7, R8).
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "crypto/crypto.h"
#include "store/store.h"

namespace aptward::store {
namespace {

// True when the file's bytes have the hash that its name says.
bool matches_name(const Fd& file, const Digest& digest)
{
    crypto::Hasher hasher(digest.algorithm);
    char buffer[1 << 16];
    for (;;) {
        const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            return hasher.digest().hash == digest.hash;
        hasher.update({buffer, static_cast<std::size_t>(got)});
    }
}

}  // namespace

Result<Blobs::ScrubReport> Blobs::scrub(
    const std::function<bool(std::uint64_t, std::uint64_t)>& progress) const
{
    const std::uint64_t total = volume().bytes;
    ScrubReport report;
    for (const char* algorithm : {"sha256", "sha512"}) {
        std::error_code error;
        for (std::filesystem::recursive_directory_iterator it(root_ / algorithm, error), end;
             !error && it != end; it.increment(error)) {
            std::error_code ignored;
            if (it->is_directory(ignored) && !it->is_symlink(ignored))
                continue;
            const std::string name = it->path().filename().string();
            const std::uint64_t size = it->is_symlink(ignored) ? 0 : it->file_size(ignored);
            const auto digest = parse_digest(name, size);
            const Fd file(::open(it->path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
            ++report.checked;
            if (!digest || !file || !matches_name(file, *digest)) {
                ++report.damaged;
                report.damaged_names.push_back(name);
                if (digest)
                    TRY_VOID(set_aside(*digest));
            }
            if (std::string_view(algorithm) == "sha256")
                report.checked_bytes += size;
            if (!progress(report.checked_bytes, total))
                return report;
        }
    }
    return report;
}

}  // namespace aptward::store
