// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace aptward {

void Fd::reset(int number)
{
    if (number_ >= 0)
        ::close(number_);
    number_ = number;
}

Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t limit_bytes)
{
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        if (errno == ENOENT || errno == ENOTDIR)
            return fail(Errc::not_found, "there is no file " + path.string());
        return fail_errno("opening " + path.string(), errno);
    }
    std::string bytes;
    char buffer[65536];
    for (;;) {
        const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno("reading " + path.string(), errno);
        if (got == 0)
            return bytes;
        if (bytes.size() + static_cast<std::size_t>(got) > limit_bytes)
            return fail(Errc::malformed, path.string() + " is larger than " +
                                             std::to_string(limit_bytes) + " bytes");
        bytes.append(buffer, static_cast<std::size_t>(got));
    }
}

Result<void> write_all(int fd, std::string_view bytes)
{
    while (!bytes.empty()) {
        const ssize_t put = ::write(fd, bytes.data(), bytes.size());
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail_errno("writing", errno);
        bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
}

Result<void> write_all_at(int fd, std::string_view bytes, std::uint64_t offset)
{
    while (!bytes.empty()) {
        const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<::off_t>(offset));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail_errno("writing", errno);
        offset += static_cast<std::uint64_t>(put);
        bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
}

Result<void> read_all_at(int fd, std::span<char> bytes, std::uint64_t offset)
{
    while (!bytes.empty()) {
        const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), static_cast<::off_t>(offset));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno("reading", errno);
        if (got == 0)
            return fail(Errc::storage, "reading: the file ends too early");
        offset += static_cast<std::uint64_t>(got);
        bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
    return {};
}

Result<void> sync_directory(const std::filesystem::path& directory)
{
    const Fd opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened)
        return fail_errno("opening the directory " + directory.string(), errno);
    if (::fsync(opened.get()) != 0)
        return fail_errno("syncing the directory " + directory.string(), errno);
    return {};
}

Result<void> sync_file_system(const std::filesystem::path& directory)
{
    const Fd opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened)
        return fail_errno("opening the directory " + directory.string(), errno);
    if (::syncfs(opened.get()) != 0)
        return fail_errno("syncing the file system of " + directory.string(), errno);
    return {};
}

Result<Fd> create_unnamed(const std::filesystem::path& directory, ::mode_t mode)
{
    Fd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
    if (!file)
        return fail_errno("creating a file in " + directory.string(), errno);
    if (::fchmod(file.get(), mode) != 0)
        return fail_errno("setting the mode of a file in " + directory.string(), errno);
    return file;
}

// linkat() of an unnamed file needs the path of its descriptor (open(2), O_TMPFILE).
Result<void> give_name(const Fd& unnamed, const std::filesystem::path& path)
{
    const std::string descriptor = "/proc/self/fd/" + std::to_string(unnamed.get());
    if (::linkat(AT_FDCWD, descriptor.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0 &&
        errno != EEXIST)
        return fail_errno("naming " + path.string(), errno);
    return {};
}

Result<void> name_durably(const Fd& unnamed, const std::filesystem::path& path)
{
    TRY_VOID(give_name(unnamed, path));
    return sync_directory(path.parent_path());
}

namespace {

Result<void> replace_by(const std::filesystem::path& temporary, const std::filesystem::path& path,
                        std::string_view bytes, ::mode_t mode)
{
    Fd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!file)
        return fail_errno("creating " + temporary.string(), errno);
    auto written = write_all(file.get(), bytes);
    if (!written)
        return fail(Errc::storage, temporary.string() + ": " + written.error().message());
    if (::fdatasync(file.get()) != 0)
        return fail_errno("syncing " + temporary.string(), errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0)
        return fail_errno("renaming " + temporary.string(), errno);
    return {};
}

}  // namespace

Result<void> write_file_durably(const std::filesystem::path& path, std::string_view bytes,
                                ::mode_t mode)
{
    const std::filesystem::path temporary = path.string() + ".new";
    auto replaced = replace_by(temporary, path, bytes, mode);
    if (!replaced) {
        ::unlink(temporary.c_str());  // on a full disk, the half of it would keep the room
        return replaced;
    }
    return sync_directory(path.parent_path());
}

Result<void> make_directories(const std::filesystem::path& path)
{
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error)
        return fail(Errc::storage, "creating " + path.string() + ": " + error.message());
    return {};
}

}  // namespace aptward
