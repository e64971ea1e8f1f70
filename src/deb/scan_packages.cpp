// SPDX-License-Identifier: GPL-3.0-or-later
// Reading the downloadable objects of a Packages index: 50 MB and a million lines in Debian main,
// of which four lines a record matter.
//
// A line-by-line walk pays for every line, most of it for branches that guess wrong. The vector
// walk instead compares 64 bytes at a time with "newline, then F or S, then I or H", in any case,
// and with "newline, newline": what passes is a Filename, Size or SHA line (or looks like one), or
// the end of a record. Only there does it stop:
//
//     ...\nSection: admin\nFilename: pool/...\nSize: 123\nSHA256: 00ff...\n\nPackage: ...
//                          ^                   ^          ^                ^
// Both walks hand line beginnings to the same RecordReader, which looks at each again; the portable
// walk hands over every line. apt's own reading (apt-pkg/tagfile.cc, pkgTagSection::Scan) is the
// model: names in any case, blanks before the colon, carriage returns before a line mean nothing.
#include <cstring>

#include "base/check.h"
#include "base/text.h"
#include "deb/hex.h"
#include "deb/line.h"
#include "deb/path.h"
#include "deb/scan.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace aptward::deb {
namespace {

// Not one clean view: a field of a record, with "absent" apart from "empty".
struct Value {
    const char* begin = nullptr;
    std::size_t size = 0;

    bool is_present() const { return begin != nullptr; }
    std::string_view text() const { return {begin, size}; }
};

class RecordReader {
public:
    RecordReader(std::string_view text, const VisitPoolFile& visit)
        : begin_(text.data()), end_(text.data() + text.size()), visit_(visit), record_begin_(begin_)
    {
    }

    /// Looks at the line that begins at `line`. False stops the walk: failure() says why.
    bool read_line(const char* line)
    {
        while (line < end_ && *line == '\r')
            ++line;
        if (line >= end_ || *line == '\n')
            return finish_record(line);
        switch (*line) {
            case 'F':
                return starts_with(line, "Filename:") ? take(path_, line, 9) : read_odd_line(line);
            case 'S':
                if (starts_with(line, "Size:"))
                    return take(size_, line, 5);
                if (starts_with(line, "SHA256:"))
                    return take(sha256_, line, 7);
                if (starts_with(line, "SHA512:"))
                    return take(sha512_, line, 7);
                return starts_with(line, "SHA1:") || read_odd_line(line);
            case 'f':
            case 's':
                return read_odd_line(line);
            default:
                return true;
        }
    }

    /// The record ends at `to`; what follows is the next one's.
    bool finish_record(const char* to)
    {
        record_ = {record_begin_, static_cast<std::size_t>(to - record_begin_)};
        const bool goes_on = !path_.is_present() || report();
        path_ = size_ = sha256_ = sha512_ = {};
        record_begin_ = to;
        return goes_on;
    }

    Result<void> result() &&
    {
        if (failure_.empty())
            return {};
        return fail(Errc::malformed, std::move(failure_));
    }

private:
    bool starts_with(const char* line, std::string_view name) const
    {
        return static_cast<std::size_t>(end_ - line) >= name.size() &&
               std::memcmp(line, name.data(), name.size()) == 0;
    }

    const char* line_end(const char* from) const
    {
        const void* newline = std::memchr(from, '\n', static_cast<std::size_t>(end_ - from));
        return newline != nullptr ? static_cast<const char*>(newline) : end_;
    }

    // Field names in another case or with blanks before the colon, as apt accepts them.
    bool read_odd_line(const char* line)
    {
        const char second = line + 1 < end_ ? line[1] : '\0';
        if ((second | 0x20) != 'i' && (second | 0x20) != 'h')
            return true;
        const std::string_view whole(line, static_cast<std::size_t>(line_end(line) - line));
        const std::size_t colon = whole.find(':');
        if (colon == whole.npos)
            return true;
        const std::string_view name = trim_line(whole.substr(0, colon));
        if (equals_ignoring_case(name, "Filename"))
            return take(path_, line, colon + 1);
        if (equals_ignoring_case(name, "Size"))
            return take(size_, line, colon + 1);
        if (equals_ignoring_case(name, "SHA256"))
            return take(sha256_, line, colon + 1);
        if (equals_ignoring_case(name, "SHA512"))
            return take(sha512_, line, colon + 1);
        return true;
    }

    bool take(Value& value, const char* line, std::size_t name_size)
    {
        if (value.is_present())  // apt takes the last one, others the first: refuse
            return refuse(line, "a field appears twice in one record");
        const char* const from = line + name_size;
        const char* const to = line_end(from);
        if (continues(to))
            return refuse(line, "a field that should be one line goes on in the next");
        const auto text = trim_line({from, static_cast<std::size_t>(to - from)});
        value = {text.data(), text.size()};
        return true;
    }

    // Whether a line that ends at `newline` is continued by something other than blanks.
    bool continues(const char* newline) const
    {
        const char* next = newline;
        while (next < end_ && *next == '\n') {
            ++next;
            while (next < end_ && *next == '\r')
                ++next;
            if (next >= end_ || (!is_blank(*next) && *next != '\v' && *next != '\f'))
                return false;
            while (next < end_ && (is_blank(*next) || *next == '\r'))
                ++next;
            if (next < end_ && *next != '\n')
                return true;
        }
        return false;
    }

    bool read_digest(Digest& digest)
    {
        const bool is_sha256 = sha256_.is_present();
        const Value& hex = is_sha256 ? sha256_ : sha512_;
        digest.algorithm = is_sha256 ? HashAlgorithm::sha256 : HashAlgorithm::sha512;
        return hex.size == 2 * hash_bytes(digest.algorithm) &&
               decode_hex(hex.text(), digest.hash.data());
    }

    bool report()
    {
        if (!size_.is_present())
            return refuse(path_.begin, "there is no Size");
        const auto size = parse_number(size_.text());
        if (!size || *size > kLargestListedSize)
            return refuse(size_.begin, "the Size is not a size in bytes");
        if (!sha256_.is_present() && !sha512_.is_present())
            return refuse(path_.begin, "there is neither SHA256 nor SHA512");
        PoolFile file;
        file.record = record_;
        if (!read_digest(file.digest))
            return refuse(path_.begin, "the hash is not hexadecimal of the right length");
        file.digest.size_bytes = *size;
        file.path = path_.text();
        while (file.path.starts_with("./"))  // flat repositories; stays a view into the text
            file.path.remove_prefix(2);
        if (is_clean_path(file.path)) {
            visit_(file);
            return true;
        }
        const auto cleaned = clean_relative_path(file.path);
        if (!cleaned)
            return refuse(path_.begin, "the Filename is not a path below the archive");
        file.path = *cleaned;
        visit_(file);
        return true;
    }

    // Counts lines only now: a good index never pays for it.
    bool refuse(const char* at, std::string_view why)
    {
        std::size_t line = 1;
        for (const char* c = begin_; c < at; ++c)
            line += *c == '\n' ? 1 : 0;
        failure_ = "line " + std::to_string(line);
        if (path_.is_present())
            failure_ += ", file \"" + printable(path_.text()) + "\"";
        failure_.append(": ").append(why);
        return false;
    }

    const char* begin_;
    const char* end_;
    const VisitPoolFile& visit_;
    const char* record_begin_;
    std::string_view record_;
    Value path_, size_, sha256_, sha512_;
    std::string failure_;
};

// Hands over every line from `line`, which begins one, to the end; then the end itself.
Result<void> walk_lines(RecordReader& reader, const char* line, const char* end)
{
    while (line < end) {
        if (!reader.read_line(line))
            return std::move(reader).result();
        const void* newline = std::memchr(line, '\n', static_cast<std::size_t>(end - line));
        line = newline != nullptr ? static_cast<const char*>(newline) + 1 : end;
    }
    reader.finish_record(end);
    return std::move(reader).result();
}

#if defined(__x86_64__)

// One bit for each of the 32 positions from `at` where a line that may matter ends.
__attribute__((target("avx2"), always_inline)) inline std::uint32_t candidates(const char* at)
{
    const auto* bytes = reinterpret_cast<const __m256i*>(at);
    const auto* next_bytes = reinterpret_cast<const __m256i*>(at + 1);
    const auto* after_next = reinterpret_cast<const __m256i*>(at + 2);
    const __m256i newline = _mm256_set1_epi8('\n');
    const __m256i lower_case = _mm256_set1_epi8(0x20);
    const __m256i first = _mm256_loadu_si256(next_bytes);
    const __m256i first_lower = _mm256_or_si256(first, lower_case);
    const __m256i second_lower = _mm256_or_si256(_mm256_loadu_si256(after_next), lower_case);
    const __m256i is_first = _mm256_or_si256(_mm256_cmpeq_epi8(first_lower, _mm256_set1_epi8('f')),
                                             _mm256_cmpeq_epi8(first_lower, _mm256_set1_epi8('s')));
    const __m256i is_second =
        _mm256_or_si256(_mm256_cmpeq_epi8(second_lower, _mm256_set1_epi8('i')),
                        _mm256_cmpeq_epi8(second_lower, _mm256_set1_epi8('h')));
    const __m256i is_end = _mm256_or_si256(_mm256_cmpeq_epi8(first, newline),
                                           _mm256_cmpeq_epi8(first, _mm256_set1_epi8('\r')));
    const __m256i wanted = _mm256_or_si256(_mm256_and_si256(is_first, is_second), is_end);
    const __m256i found =
        _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_loadu_si256(bytes), newline), wanted);
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(found));
}

__attribute__((target("avx2"))) Result<void> walk_vectors(RecordReader& reader,
                                                          std::string_view text)
{
    constexpr std::ptrdiff_t kStep = 64;
    constexpr std::ptrdiff_t kLookAhead = 2;
    const char* const end = text.data() + text.size();
    const char* at = text.data();
    if (text.empty())
        return walk_lines(reader, at, end);  // it may point nowhere
    if (!reader.read_line(at))
        return std::move(reader).result();
    for (; end - at >= kStep + kLookAhead; at += kStep) {
        std::uint64_t found = candidates(at) | std::uint64_t{candidates(at + 32)} << 32;
        for (; found != 0; found &= found - 1)
            if (!reader.read_line(at + __builtin_ctzll(found) + 1))
                return std::move(reader).result();
    }
    // The rest, from the first line that begins after a newline not yet looked at.
    const void* newline = std::memchr(at, '\n', static_cast<std::size_t>(end - at));
    return walk_lines(reader, newline != nullptr ? static_cast<const char*>(newline) + 1 : end,
                      end);
}

#endif

}  // namespace

bool has_vector_scan()
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") != 0;
#else
    return false;
#endif
}

Result<void> scan_packages_portable(std::string_view text, const VisitPoolFile& visit)
{
    RecordReader reader(text, visit);
    return walk_lines(reader, text.data(), text.data() + text.size());
}

Result<void> scan_packages_vector(std::string_view text, const VisitPoolFile& visit)
{
#if defined(__x86_64__)
    RecordReader reader(text, visit);
    return walk_vectors(reader, text);
#else
    CHECK(false, "the vector walk is for x86-64");
    return scan_packages_portable(text, visit);
#endif
}

Result<void> scan_packages(std::string_view text, const VisitPoolFile& visit)
{
    return has_vector_scan() ? scan_packages_vector(text, visit)
                             : scan_packages_portable(text, visit);
}

}  // namespace aptward::deb
