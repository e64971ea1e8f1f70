// SPDX-License-Identifier: GPL-3.0-or-later
#include "bundle/parts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace aptward::bundle {
namespace {

std::filesystem::path numbered(const std::filesystem::path& file, std::size_t number)
{
    return fmt::format("{}.{:03}", file.string(), number);
}

std::filesystem::path folder_of(const std::filesystem::path& file)
{
    return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

bool is_there(const std::filesystem::path& file)
{
    struct ::stat status{};
    return ::lstat(file.c_str(), &status) == 0;
}

// Most of what stands in the way is the name that was given, not the disk.
tl::unexpected<Error> fail_creating(const std::filesystem::path& file, int why)
{
    if (why == ENOENT || why == ENOTDIR)
        return fail(Errc::not_found, fmt::format("there is no folder {}: make it, or name another "
                                                 "file with --output",
                                                 folder_of(file).string()));
    if (why == EACCES || why == EPERM || why == EROFS)
        return fail(Errc::malformed,
                    fmt::format("{} cannot be written: {}: name another file with --output",
                                file.string(), std::generic_category().message(why)));
    return fail_errno("creating " + file.string(), why);
}

// The numbers of the pieces of this name that are there.
std::vector<unsigned> pieces_of(const std::filesystem::path& file)
{
    std::vector<unsigned> numbers;
    for (unsigned number = 1; number <= kMostParts; ++number)
        if (is_there(numbered(file, number)))
            numbers.push_back(number);
    return numbers;
}

}  // namespace

Result<void> PartsReader::add(const std::filesystem::path& file)
{
    // O_NONBLOCK: opening a named pipe would wait for its writer for ever.
    Part part;
    part.file = Fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!part.file && (errno == ENOENT || errno == ENOTDIR))
        return fail(Errc::not_found, "there is no file " + file.string());
    if (!part.file)
        return fail_errno("opening " + file.string(), errno);
    struct ::stat status{};
    if (::fstat(part.file.get(), &status) != 0)
        return fail_errno("looking at " + file.string(), errno);
    if (!S_ISREG(status.st_mode))
        return fail(Errc::malformed, file.string() + " is no file");
    part.from = size_bytes_;
    part.size_bytes = static_cast<std::uint64_t>(status.st_size);
    size_bytes_ += part.size_bytes;
    parts_.push_back(std::move(part));
    return {};
}

Result<PartsReader> PartsReader::open(const std::filesystem::path& file)
{
    PartsReader reader;
    std::filesystem::path base = file;
    if (file.extension() == ".001")
        base.replace_extension();
    else if (is_there(file) || !is_there(numbered(file, 1))) {
        TRY_VOID(reader.add(file));
        return reader;
    }
    TRY_VOID(reader.add_pieces(base));
    return reader;
}

// Each has the size of the first but the last, which may be smaller. One that is missing, or left
// over from another bundle, would be told as damage of the whole.
Result<void> PartsReader::add_pieces(const std::filesystem::path& base)
{
    TRY_VOID(add(numbered(base, 1)));
    const auto numbers = pieces_of(base);
    const unsigned last = numbers.empty() ? 1 : numbers.back();
    for (unsigned number = 2; number <= last; ++number) {
        const std::filesystem::path name = numbered(base, number);
        if (!is_there(name))
            return fail(Errc::malformed, fmt::format("{} is missing, and {} is there",
                                                     name.string(), numbered(base, last).string()));
        TRY_VOID(add(name));
        const std::uint64_t first = parts_.front().size_bytes, own = parts_.back().size_bytes;
        if (own == first || (number == last && own < first))
            continue;
        const std::string sizes = fmt::format(
            "{} has {} bytes, and {} {}", numbered(base, 1).string(), first, name.string(), own);
        if (own > first)
            return fail(Errc::malformed, sizes + ": one of them is of another bundle");
        return fail(Errc::malformed,
                    fmt::format("{}: it was cut, or is the last one, and {} is of another bundle",
                                sizes, numbered(base, last).string()));
    }
    return {};
}

Result<void> PartsReader::read_at(std::span<char> bytes, std::uint64_t offset) const
{
    while (!bytes.empty()) {
        const auto next = std::upper_bound(
            parts_.begin(), parts_.end(), offset,
            [](std::uint64_t wanted, const Part& part) { return wanted < part.from; });
        const Part& part = *std::prev(next);
        const std::uint64_t within = offset - part.from;
        if (within >= part.size_bytes)
            return fail(Errc::storage, "reading: the file ends too early");
        const auto count = static_cast<std::size_t>(
            std::min<std::uint64_t>(bytes.size(), part.size_bytes - within));
        TRY_VOID(read_all_at(part.file.get(), bytes.first(count), within));
        bytes = bytes.subspan(count);
        offset += count;
    }
    return {};
}

Result<PartsWriter> PartsWriter::open(const std::filesystem::path& file, std::uint64_t split_bytes)
{
    // Also in the other form: who reads FILE must not find the pieces of an older one beside it.
    const auto pieces = pieces_of(file);
    if (is_there(file) || !pieces.empty())
        return fail(
            Errc::malformed,
            fmt::format("{} is there already: remove it, or name another file with --output",
                        (is_there(file) ? file : numbered(file, pieces.front())).string()));
    PartsWriter writer(file, split_bytes);
    TRY_VOID(writer.begin_part());
    return writer;
}

PartsWriter::~PartsWriter()
{
    for (const std::filesystem::path& name : temporary_)
        ::unlink(name.c_str());
}

std::filesystem::path PartsWriter::name_of(std::size_t part) const
{
    return split_bytes_ == 0 ? file_ : numbered(file_, part + 1);
}

Result<void> PartsWriter::begin_part()
{
    if (temporary_.size() == kMostParts)
        return fail(Errc::malformed, "it would be more than 999 pieces: give a larger --split");
    const std::filesystem::path name =
        fmt::format("{}.{}.new", name_of(temporary_.size()).string(), ::getpid());
    part_ = Fd(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!part_)
        return fail_creating(name_of(temporary_.size()), errno);
    temporary_.push_back(name);
    part_bytes_ = 0;
    return {};
}

Result<void> PartsWriter::end_part()
{
    if (::fsync(part_.get()) != 0)
        return fail_errno("syncing " + temporary_.back().string(), errno);
    part_.reset();
    return {};
}

Result<void> PartsWriter::write(std::string_view bytes)
{
    while (!bytes.empty()) {
        if (split_bytes_ > 0 && part_bytes_ == split_bytes_) {
            TRY_VOID(end_part());
            TRY_VOID(begin_part());
        }
        const std::uint64_t room = split_bytes_ == 0 ? bytes.size() : split_bytes_ - part_bytes_;
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), room));
        auto written = write_all(part_.get(), bytes.substr(0, count));
        if (!written)
            return tl::unexpected<Error>(
                std::move(written).error().within(temporary_.back().string()));
        part_bytes_ += count;
        bytes.remove_prefix(count);
    }
    return {};
}

// The first piece gets its name last: without it nobody takes the others for a bundle.
Result<void> PartsWriter::finish()
{
    TRY_VOID(end_part());
    for (std::size_t part = temporary_.size(); part-- > 0;) {
        const std::filesystem::path name = name_of(part);
        if (::rename(temporary_[part].c_str(), name.c_str()) != 0) {
            const int why = errno;
            for (std::size_t done = part + 1; done < temporary_.size(); ++done)
                ::unlink(name_of(done).c_str());
            return fail_errno("renaming " + temporary_[part].string(), why);
        }
    }
    temporary_.clear();
    return sync_directory(folder_of(file_));
}

}  // namespace aptward::bundle
