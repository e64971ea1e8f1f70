// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Files: an owning descriptor, whole-file reads with a limit, and durable writes.
//
// Durable means: after the call returns success, a power cut loses nothing
// (docs/formats/store.md, "What a crash leaves").

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace aptward {

/// Owns one file descriptor. Move only; closes on destruction.
class Fd {
public:
    Fd() = default;
    explicit Fd(int number) : number_(number) {}
    Fd(Fd&& other) noexcept : number_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept
    {
        if (this != &other)
            reset(other.release());
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    int get() const { return number_; }
    explicit operator bool() const { return number_ >= 0; }
    int release()
    {
        const int number = number_;
        number_ = -1;
        return number;
    }
    void reset(int number = -1);

private:
    int number_ = -1;
};

/// The whole file, at most `limit_bytes`.
/// Fails with not_found when there is no such file, malformed when it is larger, else storage.
Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t limit_bytes);

/// Writes all bytes at the descriptor's position, over short writes and interrupts.
Result<void> write_all(int fd, std::string_view bytes);

/// Like write_all at a fixed offset; the descriptor's position stays.
Result<void> write_all_at(int fd, std::string_view bytes, std::uint64_t offset);

/// Fills `bytes` from a fixed offset, over short reads and interrupts.
/// Fails with storage, also when the file ends before.
Result<void> read_all_at(int fd, std::span<char> bytes, std::uint64_t offset);

/// Syncs the directory, so that names linked or renamed in it survive a power cut.
Result<void> sync_directory(const std::filesystem::path& directory);

/// Syncs everything of the file system that `directory` is on.
Result<void> sync_file_system(const std::filesystem::path& directory);

/// A file without a name in `directory`, for reading and writing: gone with its descriptor.
/// `mode`: exactly this, whatever the umask.
Result<Fd> create_unnamed(const std::filesystem::path& directory, ::mode_t mode);

/// Gives such a file, whose bytes were synced, its name; an existing file of this name stays, and
/// that is fine. The name is lost with a power cut until its directory is synced.
Result<void> give_name(const Fd& unnamed, const std::filesystem::path& path);

/// give_name(), and syncs the directory.
Result<void> name_durably(const Fd& unnamed, const std::filesystem::path& path);

/// Replaces `path` by `bytes`: temporary file, fdatasync, rename, directory sync.
/// A crash leaves the old content or the new one, never a mixture; an error leaves the old one.
Result<void> write_file_durably(const std::filesystem::path& path, std::string_view bytes,
                                ::mode_t mode = 0644);

/// Creates a directory and its parents; an existing one is fine.
Result<void> make_directories(const std::filesystem::path& path);

}  // namespace aptward
