// SPDX-License-Identifier: GPL-3.0-or-later
// Reading the downloadable objects of a Sources index (Debian policy 5.6.21 and 5.6.24): each
// record lists its files under one Directory.
#include "base/text.h"
#include "deb/deb.h"
#include "deb/hex.h"
#include "deb/line.h"
#include "deb/path.h"

namespace aptward::deb {
namespace {

// The field that continuation lines belong to.
enum class SourceField { other, directory, sha256, sha512 };

SourceField field_named(std::string_view name)
{
    if (name.empty())
        return SourceField::other;
    const char first = static_cast<char>(name.front() | 0x20);
    if (first == 'd' && equals_ignoring_case(name, "Directory"))
        return SourceField::directory;
    if (first == 'c' && equals_ignoring_case(name, "Checksums-Sha256"))
        return SourceField::sha256;
    if (first == 'c' && equals_ignoring_case(name, "Checksums-Sha512"))
        return SourceField::sha512;
    return SourceField::other;
}

class SourceReader {
public:
    SourceReader(std::string_view text, const VisitPoolFile& visit)
        : visit_(visit), record_begin_(text.data())
    {
    }

    Result<void> read_line(std::string_view line)
    {
        ++line_number_;
        const char* const begin = line.data();
        while (!line.empty() && line.front() == '\r')
            line.remove_prefix(1);
        if (line.empty())
            return finish_record(begin);
        const char first = line.front();
        if (is_blank(first) || first == '\v' || first == '\f')
            return read_continuation(line);
        const std::size_t colon = line.find(':');
        field_ =
            colon == line.npos ? SourceField::other : field_named(trim_line(line.substr(0, colon)));
        if (field_ == SourceField::other)
            return {};
        return start_field(line.substr(colon + 1));
    }

    /// The record ends at `to`; what follows is the next one's.
    Result<void> finish_record(const char* to)
    {
        record_ = {record_begin_, static_cast<std::size_t>(to - record_begin_)};
        record_begin_ = to;
        const bool has_sha256 = sha256_.is_present;
        const List& list = has_sha256 ? sha256_ : sha512_;
        for (const auto& [line, number] : list.lines) {
            const auto why =
                report(line, has_sha256 ? HashAlgorithm::sha256 : HashAlgorithm::sha512);
            if (!why.empty())
                return refuse(number, std::string(why) + ": " + printable(trim_line(line)));
        }
        has_directory_ = false;
        directory_ = {};
        sha256_.clear();
        sha512_.clear();
        field_ = SourceField::other;
        return {};
    }

private:
    struct List {
        bool is_present = false;
        std::vector<std::pair<std::string_view, std::size_t>> lines;  ///< And their numbers.

        void clear()
        {
            is_present = false;
            lines.clear();
        }
    };

    Result<void> start_field(std::string_view value)
    {
        bool& is_present = field_ == SourceField::directory ? has_directory_
                           : field_ == SourceField::sha256  ? sha256_.is_present
                                                            : sha512_.is_present;
        if (is_present)  // apt takes the last one, others the first: refuse
            return refuse(line_number_, "a field appears twice in one record");
        is_present = true;
        if (field_ == SourceField::directory)
            directory_ = trim_line(value);
        else if (!trim_line(value).empty())
            list().lines.emplace_back(value, line_number_);
        return {};
    }

    Result<void> read_continuation(std::string_view line)
    {
        if (field_ == SourceField::other || trim_line(line).empty())
            return {};
        if (field_ == SourceField::directory)
            return refuse(line_number_, "a field that should be one line goes on in the next");
        list().lines.emplace_back(line, line_number_);
        return {};
    }

    List& list() { return field_ == SourceField::sha256 ? sha256_ : sha512_; }

    // " HASH SIZE NAME". Returns what is wrong with it, or nothing.
    std::string_view report(std::string_view line, HashAlgorithm algorithm)
    {
        const std::string_view hex = next_word(line);
        const auto size = parse_number(next_word(line));
        const std::string_view name = next_word(line);
        PoolFile file;
        file.record = record_;
        file.digest.algorithm = algorithm;
        if (hex.size() != 2 * hash_bytes(algorithm) || !decode_hex(hex, file.digest.hash.data()))
            return "column 1 is no such hash";
        if (!size || *size > kLargestListedSize)
            return "column 2 is not a size in bytes";
        if (name.empty() || !next_word(line).empty())
            return "there are not three columns";
        file.digest.size_bytes = *size;
        path_.assign(directory_).append(directory_.empty() ? "" : "/").append(name);
        if (!is_clean_path(path_)) {
            auto cleaned = clean_relative_path(path_);
            if (!cleaned)
                return "Directory and name are not a path below the archive";
            path_ = std::move(*cleaned);
        }
        file.path = path_;
        visit_(file);
        return {};
    }

    static tl::unexpected<Error> refuse(std::size_t line_number, const std::string& why)
    {
        return fail(Errc::malformed, "line " + std::to_string(line_number) + ": " + why);
    }

    const VisitPoolFile& visit_;
    const char* record_begin_;
    std::string_view record_;
    std::size_t line_number_ = 0;
    SourceField field_ = SourceField::other;
    bool has_directory_ = false;
    std::string_view directory_;
    List sha256_, sha512_;
    std::string path_;  // of the file being visited
};

}  // namespace

Result<void> scan_sources(std::string_view text, const VisitPoolFile& visit)
{
    SourceReader reader(text, visit);
    const char* const end = text.data() + text.size();
    while (!text.empty())
        TRY_VOID(reader.read_line(next_line(text)));
    return reader.finish_record(end);
}

}  // namespace aptward::deb
