// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/apt_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <utility>

#include "base/background.h"
#include "base/file.h"
#include "base/lines.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"

namespace aptward::archive {
namespace {

constexpr std::string_view kFirstLine = "aptward-apt-cache/1";
constexpr std::uint64_t kMostMemoryBytes = 16 << 20;
// Of a folder. Ten releases of a whole desktop are fewer; some 300 bytes of memory each.
constexpr std::size_t kMostFiles = 20'000;
constexpr std::size_t kFolders = 2;
constexpr std::uint64_t kHashedAtATime = 256 << 20;  // then it is told, and remembered
constexpr std::size_t kPieceBytes = 256 * 1024;
// A folder that changed so shortly before it was listed may change again at the same time.
constexpr std::int64_t kSettledNs = 2'000'000'000;
// Nothing in the network is as near; what it really takes is learned with the first bytes.
constexpr double kLatencyMs = 1, kRate = 500e6;

std::int64_t nanoseconds(const ::timespec& time)
{
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Nothing for what is no file with bytes in it.
std::optional<AptFileStamp> stamp_of(const struct ::stat& status)
{
    if (!S_ISREG(status.st_mode) || status.st_size <= 0)
        return std::nullopt;
    return AptFileStamp{status.st_ino, nanoseconds(status.st_mtim),
                        static_cast<std::uint64_t>(status.st_size)};
}

// The file that was hashed, open; else not_found.
Result<Fd> open_as(const std::filesystem::path& path, const AptFileStamp& stamp)
{
    Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file)
        return fail(Errc::not_found, "apt has taken it away");
    struct ::stat status{};
    if (::fstat(file.get(), &status) != 0 || stamp_of(status) != stamp)
        return fail(Errc::not_found, "apt has put another one into its place");
    return file;
}

struct CloseFolder {
    void operator()(::DIR* folder) const { ::closedir(folder); }
};

Digest without_size(Digest digest)
{
    digest.size_bytes = 0;
    return digest;
}

Result<AptFile> parse_file(const std::vector<std::string_view>& fields)
{
    const auto inode = parse_number(fields[1]);
    const auto modified = parse_number<std::int64_t>(fields[2]);
    const auto size = parse_number(fields[3]);
    const auto digest = parse_digest(fields[4], size.value_or(0));
    if (!inode || !modified || !size || !digest)
        return fail(Errc::malformed, "a line is no file of apt's");
    return AptFile{{*inode, *modified, *size}, *digest};
}

}  // namespace

std::string to_text(const std::vector<AptFiles>& folders)
{
    std::string text = std::string(kFirstLine) + "\n";
    for (std::size_t number = 0; number < folders.size(); ++number)
        for (const auto& [name, file] : folders[number])
            if (file.stamp.modified_ns >= 0 && words(name).size() == 1)
                text += fmt::format("{} {} {} {} {} {}\n", number, file.stamp.inode,
                                    file.stamp.modified_ns, file.stamp.size_bytes,
                                    file.digest.hex(), name);
    return text;
}

Result<std::vector<AptFiles>> parse_apt_files(std::string_view text)
{
    std::vector<AptFiles> folders(kFolders);
    bool is_first = true;
    while (!text.empty()) {
        const std::string_view line = take_line(text);
        if (std::exchange(is_first, false)) {
            if (line != kFirstLine)
                return fail(Errc::malformed, "it does not begin as it should");
            continue;
        }
        const auto fields = words(line);
        const auto folder =
            fields.size() == 6 ? parse_number<std::size_t>(fields[0]) : std::nullopt;
        if (!folder || *folder >= kFolders || folders[*folder].size() == kMostFiles)
            return fail(Errc::malformed, "a line is no file of apt's");
        TRY(auto file, parse_file(fields));
        folders[*folder].insert_or_assign(std::string(fields[5]), file);
    }
    return folders;
}

AptCache::AptCache(const Folders& folders, std::filesystem::path memory, WorkerPool& workers)
    : memory_(std::move(memory)), workers_(workers)
{
    folders_.push_back({Folder::Kind::archives, folders.archives, {}});
    folders_.push_back({Folder::Kind::lists, folders.lists, {}});
    const auto text = read_file(memory_, kMostMemoryBytes);
    auto known = parse_apt_files(text.value_or(""));
    for (std::size_t number = 0; known && number < kFolders; ++number)
        folders_[number].files = std::move((*known)[number]);
    fetch::SourceSettings settings;
    settings.url = "apt:cache";
    // It keeps what came from anywhere: that it lacks a file says nothing.
    settings.kind = fetch::SourceSettings::Kind::service;
    source_ = std::make_shared<fetch::Source>(
        std::move(settings),
        [this](const Digest& digest, std::uint64_t offset, fetch::TookPiece took) {
            workers_.post(
                [this, digest, offset, took = std::move(took)] { took(read(digest, offset)); });
        });
    fetch::SourceReport near;
    near.latency_ms = kLatencyMs;
    near.rate_bytes_per_s = kRate;
    source_->restore(near, steady_now());
}

// Releases are not looked for by digest. What apt renames there has its name for good.
bool AptCache::is_of_interest(Folder::Kind kind, std::string_view name)
{
    if (kind == Folder::Kind::archives)
        return name.ends_with(".deb");
    return name != "lock" && !name.ends_with("Release") && !name.ends_with("Release.gpg");
}

AptCache::Change AptCache::look()
{
    go_to_background();
    Change change;
    std::uint64_t budget = kHashedAtATime;
    bool is_other = false;
    for (Folder& folder : folders_)
        if (!folder.path.empty())
            is_other = look_at(folder, budget, change.is_whole) || is_other;
    if (!is_other)
        return change;
    change.turned = publish();
    std::vector<AptFiles> files;
    for (const Folder& folder : folders_)
        files.push_back(folder.files);
    if (const auto kept = write_file_durably(memory_, to_text(files), 0600); !kept)
        log_warning("apt-cache.unwritable", {}, kept.error().message());
    return change;
}

// True when it is not as it was.
bool AptCache::look_at(Folder& folder, std::uint64_t& budget, bool& is_whole) const
{
    const std::unique_ptr<::DIR, CloseFolder> listing(::opendir(folder.path.c_str()));
    struct ::stat status{};
    if (listing == nullptr || ::fstat(::dirfd(listing.get()), &status) != 0) {
        folder.seen_ns = -1;
        return !std::exchange(folder.files, {}).empty();
    }
    const std::int64_t changed_ns = nanoseconds(status.st_mtim);
    if (changed_ns == folder.seen_ns)
        return false;
    AptFiles files;
    bool is_complete = true;
    while (const ::dirent* const entry = ::readdir(listing.get())) {
        const std::string name = entry->d_name;
        if (!is_of_interest(folder.kind, name) || files.size() == kMostFiles ||
            ::fstatat(::dirfd(listing.get()), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        const auto stamp = stamp_of(status);
        if (!stamp)
            continue;
        const auto known = folder.files.find(name);
        if (known != folder.files.end() && known->second.stamp == *stamp) {
            files.insert(*known);
            continue;
        }
        if (budget == 0 || is_stopping_) {
            is_complete = false;
            continue;
        }
        // What cannot be read is asked for again only when the folder changes.
        if (const auto digest = hash(folder.path / name, *stamp)) {
            budget -= std::min(budget, stamp->size_bytes);
            files.insert_or_assign(name, AptFile{*stamp, *digest});
        }
    }
    ::timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const bool is_settled = nanoseconds(now) - changed_ns > kSettledNs;
    folder.seen_ns = is_complete && is_settled ? changed_ns : -1;
    is_whole = is_whole && is_complete;
    const auto is_same = [](const AptFiles::value_type& a, const AptFiles::value_type& b) {
        return a.first == b.first && a.second.stamp == b.second.stamp;
    };
    const bool is_other =
        !std::equal(files.begin(), files.end(), folder.files.begin(), folder.files.end(), is_same);
    folder.files = std::move(files);
    return is_other || index_.load()->empty();  // those that were remembered count from now on
}

Result<Digest> AptCache::hash(const std::filesystem::path& path, const AptFileStamp& stamp) const
{
    TRY(const Fd file, open_as(path, stamp));
    crypto::Hasher hasher;
    std::string piece;
    for (std::uint64_t offset = 0; offset < stamp.size_bytes; offset += piece.size()) {
        if (is_stopping_)
            return fail(Errc::unavailable, "the node stops");
        piece.resize(std::min<std::uint64_t>(kPieceBytes, stamp.size_bytes - offset));
        TRY_VOID(read_all_at(file.get(), piece, offset));
        hasher.update(piece);
    }
    // Of one that changed meanwhile nobody knows what was read.
    struct ::stat status{};
    if (::fstat(file.get(), &status) != 0 || stamp_of(status) != stamp)
        return fail(Errc::not_found, "it changes");
    return hasher.digest();
}

std::vector<Digest> AptCache::publish()
{
    auto fresh = std::make_shared<Index>();
    for (const Folder& folder : folders_)
        for (const auto& [name, file] : folder.files)
            fresh->insert_or_assign(without_size(file.digest),
                                    Place{folder.path / name, file.stamp});
    const auto before = index_.load();
    std::vector<Digest> turned;
    for (const auto& [digest, place] : *fresh)
        if (before->count(digest) == 0)
            turned.push_back(digest);
    for (const auto& [digest, place] : *before)
        if (fresh->count(digest) == 0)
            turned.push_back(digest);
    index_ = std::move(fresh);
    return turned;
}

bool AptCache::has(const Digest& digest) const
{
    return index_.load()->count(without_size(digest)) > 0;
}

void AptCache::add(fetch::Want& want) const
{
    if (has(want.digest))
        want.elsewhere.push_back({source_, {"file"}, fetch::Want::Elsewhere::Turn::first});
}

AptCache::Report AptCache::report() const
{
    const auto index = index_.load();
    Report report{index->size(), 0};
    for (const auto& [digest, place] : *index)
        report.bytes += place.stamp.size_bytes;
    return report;
}

Result<std::string> AptCache::read(const Digest& digest, std::uint64_t offset) const
{
    const auto index = index_.load();
    const auto found = index->find(without_size(digest));
    if (found == index->end())
        return fail(Errc::not_found, "apt has taken it away");
    const Place& place = found->second;
    TRY(const Fd file, open_as(place.path, place.stamp));
    const std::uint64_t size = place.stamp.size_bytes;
    std::string piece(std::min<std::uint64_t>(kPieceBytes, size - std::min(size, offset)), '\0');
    TRY_VOID(read_all_at(file.get(), piece, offset));
    return piece;
}

}  // namespace aptward::archive
