// SPDX-License-Identifier: GPL-3.0-or-later
#include "store/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "crypto/crypto.h"

namespace aptward::store {
namespace {

constexpr std::uint64_t kMaxJournalBytes = 1ULL << 30;
constexpr std::size_t kSumDigits = 16;

std::string sum_of(std::string_view json)
{
    return crypto::digest_of(json).hex().substr(0, kSumDigits);
}

std::string line_of(std::string_view json)
{
    return sum_of(json) + " " + std::string(json) + "\n";
}

// A line that stays damaged keeps its place, so that the others keep theirs.
Result<std::uint64_t> write_anew(const std::filesystem::path& file, const JournalLines& lines)
{
    std::string bytes;
    for (const std::string& line : lines)
        bytes += line.empty() ? "damaged\n" : line_of(line);
    if (std::filesystem::exists(file)) {
        std::error_code error;
        std::filesystem::copy_file(file, file.string() + ".damaged",
                                   std::filesystem::copy_options::overwrite_existing, error);
        if (error)
            return fail_errno("keeping the damaged " + file.string(), error.value());
    }
    TRY_VOID(write_file_durably(file, bytes, 0640));
    return bytes.size();
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
        if (line.size() > kSumDigits + 1 && line[kSumDigits] == ' ' &&
            line.substr(0, kSumDigits) == sum_of(line.substr(kSumDigits + 1)))
            parsed.lines.emplace_back(line.substr(kSumDigits + 1));
        else
            parsed.lines.emplace_back();
    }
    return parsed;
}

std::vector<std::string> entries_of(const JournalLines& lines)
{
    std::vector<std::string> entries;
    std::copy_if(lines.begin(), lines.end(), std::back_inserter(entries),
                 [](const std::string& line) { return !line.empty(); });
    return entries;
}

// A rotten line end makes one damaged line of two, a rotten byte may make two of one: so a damaged
// place stands for whatever the copy has between the whole lines around it.
std::size_t mend(JournalLines& lines, const JournalLines& copy)
{
    JournalLines mended;
    auto next = copy.begin();
    bool is_after_damage = false;
    const auto fill = [&](JournalLines::const_iterator to) {
        if (is_after_damage && next == to)
            mended.emplace_back();
        mended.insert(mended.end(), next, to);
        next = to;
    };
    for (const std::string& line : lines) {
        if (line.empty()) {
            is_after_damage = true;
            continue;
        }
        if (is_after_damage)
            fill(std::find(next, copy.end(), line));
        is_after_damage = false;
        if (next != copy.end() && *next++ != line)
            return 0;
        mended.push_back(line);
    }
    fill(copy.end());
    const std::size_t found = entries_of(mended).size() - entries_of(lines).size();
    if (found > 0)
        lines = std::move(mended);
    return found;
}

Result<void> Journal::append(std::string_view json)
{
    if (unmended_)
        return tl::unexpected<Error>(*unmended_);
    if (has_rest_)
        TRY_VOID(cut_off_rest());
    const std::string line = line_of(json);
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
    return entries_of(parse_journal(bytes).lines);
}

Result<Journal::Opened> open_journal(const std::filesystem::path& file, const JournalLines& copy)
{
    TRY(const std::string bytes, read_bytes(file));
    JournalText parsed = parse_journal(bytes);
    const std::size_t mended = mend(parsed.lines, copy);
    std::uint64_t whole_bytes = parsed.whole_bytes;
    std::optional<Error> unmended;
    if (mended > 0) {
        auto written = write_anew(file, parsed.lines);
        if (written)
            whole_bytes = *written;
        else
            unmended = std::move(written).error().within("the journal cannot be mended");
    }
    Fd opened(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
    if (!opened)
        return fail_errno("opening " + file.string(), errno);
    if (mended == 0 && whole_bytes < bytes.size() &&
        ::ftruncate(opened.get(), static_cast<::off_t>(whole_bytes)) != 0)
        return fail_errno("shortening " + file.string(), errno);
    TRY_VOID(sync_directory(file.parent_path()));
    return Journal::Opened{Journal(std::move(opened), whole_bytes, std::move(unmended)),
                           std::move(parsed.lines), mended};
}

}  // namespace aptward::store
