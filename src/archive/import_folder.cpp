// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/import_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <utility>

#include "base/text.h"

namespace aptward::archive {
namespace {

// A pipe would be waited for without O_NONBLOCK; on regular files it means nothing.
constexpr int kReading = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
constexpr int kFolder = O_DIRECTORY;

Fd open_at(const Fd& folder, const char* name, int flags)
{
    int number = -1;
    do
        number = ::openat(folder.get(), name, kReading | flags);
    while (number < 0 && errno == EINTR);
    return Fd(number);
}

}  // namespace

/// One walk over all of it, folder by folder.
class StockFolder::Walk {
public:
    Walk(const StockFolder& folder, const std::function<bool()>& goes_on)
        : folder_(folder), goes_on_(goes_on)
    {
    }

    Result<StockListing> run()
    {
        while (!waiting_.empty()) {
            const Place place = std::move(waiting_.back());
            waiting_.pop_back();
            TRY_VOID(read(place));
        }
        return std::move(listing_);
    }

private:
    struct Place {
        std::string path;
        std::size_t depth = 0;
    };
    struct Close {
        void operator()(::DIR* stream) const { ::closedir(stream); }
    };

    // What cannot be read is told, and the rest is looked at all the same.
    Result<void> read(const Place& place)
    {
        auto folder = folder_.open_below(place.path, kFolder);
        if (!folder || place.depth > kMostStockDepth) {
            listing_.unread.push_back(place.path);
            return {};
        }
        const std::unique_ptr<::DIR, Close> stream(::fdopendir(folder->get()));
        if (stream == nullptr)
            return fail_errno("reading " + printable(place.path), errno);
        folder->release();  // the stream's now
        for (;;) {
            if (!goes_on_())
                return fail(Errc::stale, "it was told to stop");
            errno = 0;
            const ::dirent* entry = ::readdir(stream.get());
            if (entry == nullptr && errno != 0)
                listing_.unread.push_back(place.path);
            if (entry == nullptr)
                return {};
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..")
                TRY_VOID(take(::dirfd(stream.get()), entry->d_name, place));
        }
    }

    Result<void> take(int folder, const char* name, const Place& place)
    {
        std::string path = place.path.empty() ? name : place.path + "/" + name;
        struct ::stat found{};
        if (::fstatat(folder, name, &found, AT_SYMLINK_NOFOLLOW) != 0)
            return {};  // gone meanwhile
        if (S_ISDIR(found.st_mode)) {
            waiting_.push_back({std::move(path), place.depth + 1});
            return {};
        }
        if (!S_ISREG(found.st_mode)) {
            ++(S_ISLNK(found.st_mode) ? listing_.symlinks : listing_.others);
            return {};
        }
        if (listing_.files.size() + listing_.twins.size() >= kMostStockFiles)
            return fail(Errc::malformed,
                        fmt::format("there are more than {} files in it: name a part of it",
                                    kMostStockFiles));
        add(std::move(path), found);
        return {};
    }

    void add(std::string path, const struct ::stat& found)
    {
        if (found.st_size == 0) {
            ++listing_.empty;
            return;
        }
        const std::size_t number = listing_.files.size();
        if (found.st_nlink > 1) {
            const auto known = known_.try_emplace({found.st_dev, found.st_ino}, number);
            if (!known.second) {
                listing_.twins.push_back({std::move(path), known.first->second});
                return;
            }
        }
        listing_.files.push_back({std::move(path), static_cast<std::uint64_t>(found.st_size)});
    }

    StockListing listing_;
    const StockFolder& folder_;
    const std::function<bool()>& goes_on_;
    std::vector<Place> waiting_ = {{}};
    std::map<std::pair<::dev_t, ::ino_t>, std::size_t> known_;  // files with several names
};

Result<StockFolder> StockFolder::open(const std::filesystem::path& path)
{
    Fd folder(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NONBLOCK));
    if (folder)
        return StockFolder(path, std::move(folder));
    const std::string name = printable(path.string());
    if (errno == ENOENT)
        return fail(Errc::not_found, "there is no folder " + name);
    if (errno == ENOTDIR)
        return fail(Errc::malformed, name + " is no folder");
    if (errno == EACCES || errno == EPERM)
        return fail(Errc::storage, "the node's user may not read " + name +
                                       ": let it (its service sees nothing below /home)");
    return fail_errno("opening " + name, errno);
}

Result<StockListing> StockFolder::list(const std::function<bool()>& goes_on) const
{
    return Walk(*this, goes_on).run();
}

Result<Fd> StockFolder::open_file(const std::string& path) const
{
    TRY(Fd file, open_below(path, 0));
    struct ::stat found{};
    if (::fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode))
        return fail(Errc::storage, printable(path) + " is no file any more");
    return file;
}

// Folder by folder, because any of them may have become a symbolic link since it was listed.
Result<Fd> StockFolder::open_below(const std::string& path, int flags) const
{
    Fd at = open_at(folder_, ".", kFolder);
    for (std::size_t from = 0; at && from < path.size();) {
        const std::size_t end = std::min(path.find('/', from), path.size());
        const bool is_last = end == path.size();
        at = open_at(at, path.substr(from, end - from).c_str(), is_last ? flags : kFolder);
        from = end + 1;
    }
    if (!at)
        return fail_errno("opening " + printable(path), errno);
    return at;
}

}  // namespace aptward::archive
