// SPDX-License-Identifier: GPL-3.0-or-later
#include "store/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "crypto/crypto.h"

namespace aptward::store {
namespace {

constexpr std::uint64_t kMaxJournalBytes = 1ULL << 30;
constexpr std::size_t kSumDigits = 16;

std::string sum_of(std::string_view json)
{
    return crypto::digest_of(json).hex().substr(0, kSumDigits);
}

Result<std::string> read_bytes(const std::filesystem::path& file)
{
    auto read = read_file(file, kMaxJournalBytes);
    if (!read && read.error().code() == Errc::not_found)
        return std::string();
    return read;
}

}  // namespace

JournalText parse_journal(std::string_view bytes)
{
    JournalText parsed;
    std::string_view rest = bytes;
    while (!rest.empty()) {
        const std::size_t end = rest.find('\n');
        if (end == std::string_view::npos)
            break;  // a crash ended this one: it was never acknowledged
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end + 1);
        parsed.whole_bytes = bytes.size() - rest.size();
        if (line.size() > kSumDigits + 1 &&
            line.substr(0, kSumDigits) == sum_of(line.substr(kSumDigits + 1)))
            parsed.entries.emplace_back(line.substr(kSumDigits + 1));
        else
            ++parsed.damaged_lines;
    }
    return parsed;
}

Result<void> Journal::append(std::string_view json)
{
    if (has_rest_)
        TRY_VOID(cut_off_rest());
    const std::string line = sum_of(json) + " " + std::string(json) + "\n";
    auto written = write_all(file_.get(), line);
    if (written && ::fdatasync(file_.get()) != 0)
        written = fail_errno("syncing the journal", errno);
    if (!written) {
        has_rest_ = true;
        auto ignored = cut_off_rest();  // if not now, then before the next line
        return written;
    }
    bytes_ += line.size();
    return {};
}

Result<void> Journal::cut_off_rest()
{
    if (::ftruncate(file_.get(), static_cast<::off_t>(bytes_)) != 0)
        return fail_errno("shortening the journal", errno);
    has_rest_ = false;
    return {};
}

Result<std::vector<std::string>> read_journal(const std::filesystem::path& file)
{
    TRY(const std::string bytes, read_bytes(file));
    return parse_journal(bytes).entries;
}

Result<Journal::Opened> open_journal(const std::filesystem::path& file)
{
    TRY(const std::string bytes, read_bytes(file));
    JournalText parsed = parse_journal(bytes);
    Fd opened(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
    if (!opened)
        return fail_errno("opening " + file.string(), errno);
    if (parsed.whole_bytes < bytes.size() &&
        ::ftruncate(opened.get(), static_cast<::off_t>(parsed.whole_bytes)) != 0)
        return fail_errno("shortening " + file.string(), errno);
    TRY_VOID(sync_directory(file.parent_path()));
    return Journal::Opened{Journal(std::move(opened), parsed.whole_bytes),
                           std::move(parsed.entries), parsed.damaged_lines};
}

}  // namespace aptward::store
