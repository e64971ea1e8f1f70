// SPDX-License-Identifier: GPL-3.0-or-later
// Blobs on disk. The order of system calls is the crash promise; see docs/formats/store.md.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "crypto/crypto.h"
#include "store/damaged.h"
#include "store/store.h"
#include "store/use.h"

namespace aptward::store {
namespace {

constexpr const char* kSha256 = "sha256";
constexpr const char* kSha512 = "sha512";
// Fewer are synced one by one: syncfs waits for whatever else is written on the file system.
constexpr std::size_t kManyStaged = 4;

const char* folder_of(HashAlgorithm algorithm)
{
    return algorithm == HashAlgorithm::sha256 ? kSha256 : kSha512;
}

// Of whatever size. A file that cannot be read to its end has no hash.
bool has_hash(const Fd& file, const Digest& digest)
{
    crypto::Hasher hasher(digest.algorithm);
    std::vector<char> buffer(256 * 1024);
    for (;;) {
        const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 && hasher.digest().hash == digest.hash;
        hasher.update({buffer.data(), static_cast<std::size_t>(got)});
    }
}

}  // namespace

Result<std::shared_ptr<Blobs>> Blobs::open(const std::filesystem::path& state)
{
    const auto root = state / "blobs";
    bool is_new = false;
    for (const char* algorithm : {kSha256, kSha512})
        for (int i = 0; i < 256; ++i) {
            const auto folder = root / algorithm / fmt::format("{:02x}", i);
            std::error_code ignored;
            if (std::filesystem::exists(folder, ignored))
                continue;
            TRY_VOID(make_directories(folder));
            is_new = true;
        }
    // A blob's sync covers its folder only, not the folder's own name.
    if (is_new)
        TRY_VOID(sync_file_system(root));
    TRY_VOID(make_directories(state / "damaged"));
    TRY_VOID(make_directories(root / "evicting"));
    return std::shared_ptr<Blobs>(new Blobs(root));
}

std::filesystem::path Blobs::path_of(const Digest& digest) const
{
    const std::string hex = digest.hex();
    return root_ / folder_of(digest.algorithm) / hex.substr(0, 2) / hex;
}

Result<Fd> Blobs::read(const Digest& digest) const
{
    const auto path = path_of(digest);
    Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file) {
        // A symbolic link under a blob's name is damage or an attempt to make us read elsewhere
        // (R8).
        if (errno == ENOENT)
            return fail(Errc::not_found, "not held");
        const int error = errno;
        if (error == ELOOP || error == EACCES) {
            auto moved = set_aside(digest);
            return fail(Errc::not_found, "the held file was damaged");
        }
        return fail_errno("opening " + path.string(), error);
    }
    struct ::stat status{};
    if (::fstat(file.get(), &status) != 0)
        return fail_errno("looking at " + path.string(), errno);
    if (!S_ISREG(status.st_mode)) {
        auto moved = set_aside(digest);
        return fail(Errc::not_found, "the held file was damaged");
    }
    // Which of the two is wrong is not known here: another archive may list the hash of a good blob
    // with a size of its own. A damaged one is replaced when its bytes come again.
    if (static_cast<std::uint64_t>(status.st_size) != digest.size_bytes)
        return fail(Errc::not_found, "the held file has another size");
    note_use(file, status);
    return file;
}

std::optional<Blobs::Held> Blobs::look(const Digest& digest) const
{
    auto path = path_of(digest);
    struct ::stat status{};
    if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) ||
        static_cast<std::uint64_t>(status.st_size) != digest.size_bytes)
        return std::nullopt;
    return Held{std::move(path), status.st_dev, status.st_ino, status.st_mode};
}

std::optional<Digest> Blobs::find(const Digest& hash_only) const
{
    struct ::stat status{};
    if (::lstat(path_of(hash_only).c_str(), &status) != 0 || !S_ISREG(status.st_mode))
        return std::nullopt;
    Digest digest = hash_only;
    digest.size_bytes = static_cast<std::uint64_t>(status.st_size);
    return digest;
}

Result<Fd> Blobs::stage() const
{
    return create_unnamed(root_ / kSha256, 0444);
}

Result<void> Blobs::commit(const Fd& staged, const std::vector<Digest>& digests)
{
    if (::fdatasync(staged.get()) != 0)
        return fail_errno("syncing a new blob", errno);
    for (const Digest& digest : digests) {
        TRY_VOID(place(staged, digest));
        TRY_VOID(sync_directory(path_of(digest).parent_path()));
    }
    count_stored(digests);
    return {};
}

// A damaged one would keep the name, and one that nobody has used for long may be on its way out.
Result<void> Blobs::place(const Fd& staged, const Digest& digest)
{
    TRY_VOID(recheck(digest));
    TRY_VOID(give_name(staged, path_of(digest)));
    if (!use(digest))
        TRY_VOID(give_name(staged, path_of(digest)));
    tell(digest);
    return {};
}

void Blobs::count_stored(const std::vector<Digest>& digests)
{
    if (!digests.empty())
        stored_bytes_.fetch_add(digests.front().size_bytes, std::memory_order_relaxed);
}

namespace {

// A file's own error is told by its own descriptor, once; a whole file system's by syncfs, since
// Linux 5.8. Asked of every file, because another reader of the file system's may have had it.
Result<void> settle(const Fd& staged)
{
    if (::sync_file_range(staged.get(), 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) != 0)
        return fail_errno("syncing a new blob", errno);
    return {};
}

}  // namespace

std::vector<Result<void>> Blobs::commit_all(const std::vector<Staged>& batch)
{
    std::vector<Result<void>> results;
    if (batch.size() < kManyStaged) {
        for (const Staged& one : batch)
            results.push_back(commit(*one.file, one.digests));
        return results;
    }
    const auto synced = sync_file_system(root_);
    for (const Staged& one : batch) {
        Result<void> result = synced;
        if (result)
            result = settle(*one.file);
        for (const Digest& digest : one.digests)
            if (result)
                result = place(*one.file, digest);
        if (result)
            count_stored(one.digests);
        results.push_back(std::move(result));
    }
    const auto named = sync_file_system(root_);
    for (Result<void>& result : results)
        if (result && !named)
            result = named;
    return results;
}

Result<Digest> Blobs::put(std::string_view bytes)
{
    const Digest digest = crypto::digest_of(bytes);
    TRY_VOID(recheck(digest));
    if (use(digest))
        return digest;
    TRY(const Fd file, stage());
    TRY_VOID(write_all(file.get(), bytes));
    TRY_VOID(commit(file, {digest}));
    return digest;
}

Result<void> Blobs::recheck(const Digest& digest) const
{
    const auto path = path_of(digest);
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file && errno == ENOENT)
        return {};
    // A want of descriptors or memory says nothing about the file.
    if (!file && errno != ELOOP && errno != EACCES && errno != EIO)
        return fail_errno("opening " + path.string(), errno);
    if (file && has_hash(file, digest))
        return {};
    return set_aside(digest);
}

Result<void> Blobs::set_aside(const Digest& digest) const
{
    const auto path = path_of(digest);
    const auto target = root_.parent_path() / "damaged" / digest.hex();
    if (::rename(path.c_str(), target.c_str()) != 0 && errno != ENOENT)
        return fail_errno("setting aside " + path.string(), errno);
    log_error("store.damaged", {{"blob", digest.hex()}},
              "a held file is damaged; it was set aside and will be fetched again");
    keep_latest_damaged(target.parent_path());
    tell(digest);
    return {};
}

std::vector<Digest> Blobs::set_aside_ones() const
{
    std::vector<Digest> digests;
    std::error_code error;
    for (std::filesystem::directory_iterator it(root_.parent_path() / "damaged", error), end;
         !error && it != end; it.increment(error))
        if (const auto digest = parse_digest(it->path().filename().string(), 0))
            digests.push_back(*digest);
    return digests;
}

// It stays to be looked at, under a name that is no digest.
void Blobs::note_replaced(const Digest& digest) const
{
    const auto path = root_.parent_path() / "damaged" / digest.hex();
    std::error_code ignored;
    std::filesystem::rename(path, path.string() + ".replaced", ignored);
}

Blobs::Volume Blobs::volume() const
{
    Volume volume;
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator it(root_ / kSha256, error), end;
         !error && it != end; it.increment(error)) {
        std::error_code ignored;
        if (!it->is_regular_file(ignored))
            continue;
        ++volume.blobs;
        volume.bytes += it->file_size(ignored);
    }
    return volume;
}

Result<Fd> lock_state(const std::filesystem::path& state)
{
    const auto path = state / "lock";
    Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!file)
        return fail_errno("creating " + path.string(), errno);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        char owner[32] = "";
        const ssize_t got = ::pread(file.get(), owner, sizeof owner - 1, 0);
        return fail(Errc::unavailable,
                    fmt::format("{} is in use by another node (process {}); stop it first, or give "
                                "this one a state folder of its own",
                                state.string(), got > 0 ? owner : "?"));
    }
    // For the message above only: on a full disk the lock holds without it (I6).
    if (::ftruncate(file.get(), 0) == 0)
        const auto ignored = write_all_at(file.get(), std::to_string(::getpid()), 0);
    return file;
}

}  // namespace aptward::store
