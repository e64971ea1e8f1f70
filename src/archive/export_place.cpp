// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/export_place.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace aptward::archive {
namespace {

std::string path_of(const Fd& file)
{
    return "/proc/self/fd/" + std::to_string(file.get());
}

Result<void> set_time(const Fd& file, SystemTime modified)
{
    const ::timespec time{to_unix(modified), 0};
    const ::timespec times[2] = {time, time};
    if (::futimens(file.get(), times) != 0)
        return fail_errno("setting the time of an exported file", errno);
    return {};
}

// Readers see the old file or the new one. `flags` as for linkat.
int link_over(const std::string& from, int flags, const std::filesystem::path& target)
{
    if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, target.c_str(), flags) == 0)
        return 0;
    if (errno != EEXIST)
        return errno;
    const std::filesystem::path beside = target.string() + ".aptward-new";
    ::unlink(beside.c_str());  // what a crash left
    if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, beside.c_str(), flags) != 0 ||
        ::rename(beside.c_str(), target.c_str()) != 0)
        return errno;
    return 0;
}

Result<void> link_unnamed(const Fd& file, const std::filesystem::path& target, SystemTime modified)
{
    TRY_VOID(set_time(file, modified));
    if (const int error = link_over(path_of(file), AT_SYMLINK_FOLLOW, target); error != 0)
        return fail_errno("naming " + target.string(), error);
    return {};
}

// With a loop of its own where the kernel copies between no two file systems.
Result<void> copy(const Fd& from, const Fd& to)
{
    std::string buffer(1 << 20, '\0');
    for (::off_t done = 0;;) {
        const ssize_t got = ::pread(from.get(), buffer.data(), buffer.size(), done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno("reading a held file", errno);
        if (got == 0)
            return {};
        TRY_VOID(write_all(to.get(), {buffer.data(), static_cast<std::size_t>(got)}));
        done += got;
    }
}

// A web server runs as another user.
bool is_public(::mode_t mode)
{
    constexpr ::mode_t kEverybody = 0444;
    return (mode & kEverybody) == kEverybody;
}

bool is_there(const Placer::From& from, const std::filesystem::path& target, SystemTime modified)
{
    struct ::stat there{};
    if (::lstat(target.c_str(), &there) != 0 || !S_ISREG(there.st_mode) ||
        !is_public(there.st_mode))
        return false;
    const bool is_same = there.st_dev == from.device && there.st_ino == from.file;
    const bool has_size = static_cast<std::uint64_t>(there.st_size) == from.size_bytes;
    return is_same ||
           (has_size && there.st_mtim.tv_nsec == 0 && there.st_mtim.tv_sec == to_unix(modified));
}

Result<Fd> open_from(const Placer::From& from)
{
    Fd file(::open(from.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    struct ::stat status{};
    if (!file && errno != ENOENT)
        return fail_errno("opening " + from.path.string(), errno);
    if (!file || ::fstat(file.get(), &status) != 0 || status.st_ino != from.file ||
        status.st_dev != from.device)
        return fail(Errc::not_found, from.path.string() + " is held no more: export it again");
    return file;
}

}  // namespace

Result<void> make_public_folders(const std::filesystem::path& path)
{
    std::error_code ignored;
    if (path.empty() || std::filesystem::is_directory(path, ignored))
        return {};
    TRY_VOID(make_public_folders(path.parent_path()));
    if (::mkdir(path.c_str(), 0755) != 0) {
        if (errno == EEXIST)  // somebody else did, or the name ends with a slash
            return {};
        return fail_errno("creating " + path.string(), errno);
    }
    if (::chmod(path.c_str(), 0755) != 0)
        return fail_errno("setting the mode of " + path.string(), errno);
    return {};
}

std::string_view to_string(Placer::Way way)
{
    switch (way) {
        case Placer::Way::reflink:
            return "reflinks";
        case Placer::Way::link:
            return "hard links";
        case Placer::Way::copy:
            return "copies";
    }
    return "";
}

Result<bool> Placer::try_reflink(const From& from, const std::filesystem::path& target,
                                 SystemTime modified) const
{
    TRY(const Fd source, open_from(from));
    TRY(const Fd file, create_unnamed(target.parent_path(), 0644));
    if (::ioctl(file.get(), FICLONE, source.get()) != 0)
        return false;
    TRY_VOID(link_unnamed(file, target, modified));
    return true;
}

Result<bool> Placer::place(const From& from, const std::filesystem::path& target,
                           SystemTime modified)
{
    if (is_there(from, target, modified))
        return false;
    if (target.parent_path() != made_) {
        TRY_VOID(make_public_folders(target.parent_path()));
        made_ = target.parent_path();
    }
    if (way_ == Way::reflink) {
        TRY(const bool is_placed, try_reflink(from, target, modified));
        if (is_placed)
            return true;
        way_ = Way::link;
    }
    // Older versions left blobs to the umask.
    if (way_ == Way::link && is_public(from.mode)) {
        const int error = link_over(from.path.string(), 0, target);
        if (error == 0)
            return true;
        if (error != EMLINK && error != ENOENT)  // too many names of this one; gone
            way_ = Way::copy;
    }
    TRY(const Fd source, open_from(from));
    TRY(const Fd file, create_unnamed(target.parent_path(), 0644));
    TRY_VOID(copy(source, file));
    TRY_VOID(link_unnamed(file, target, modified));
    return true;
}

Result<void> Placer::write(std::string_view bytes, const std::filesystem::path& target,
                           SystemTime modified)
{
    TRY_VOID(make_public_folders(target.parent_path()));
    TRY(const Fd file, create_unnamed(target.parent_path(), 0644));
    TRY_VOID(write_all(file.get(), bytes));
    return link_unnamed(file, target, modified);
}

}  // namespace aptward::archive
