// SPDX-License-Identifier: GPL-3.0-or-later
// tar as dpkg-deb and its kin write it: 512-byte headers, ustar or GNU, names of any length by GNU
// 'L' and 'K' members or pax 'x' records. Global pax headers and sparse files do not occur in
// packages and are refused: readers disagree about them.
//
// Spec: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Header Block"; GNU tar manual,
// "Basic Tar Format".
#include <algorithm>
#include <optional>

#include "base/text.h"
#include "deb/deb_file.h"

namespace aptward::deb {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kLargestName = 64U << 10;  // Linux allows paths of 4096 bytes

tl::unexpected<Error> refuse(const std::string& why)
{
    return fail(Errc::malformed, "tar: " + why);
}

// Text up to the first NUL; what stands behind a NUL must be nothing, or a second reader sees it.
std::optional<std::string_view> text_field(std::string_view field)
{
    const std::size_t end = std::min(field.find('\0'), field.size());
    if (field.find_first_not_of('\0', end) != std::string_view::npos)
        return std::nullopt;
    return field.substr(0, end);
}

// Octal digits, then blanks or NULs (some writers put blanks in front); or GNU's base 256, whose
// first byte is 0x80 for positive numbers and 0xff for negative ones, which no size is.
std::optional<std::uint64_t> number_field(std::string_view field)
{
    constexpr std::string_view kEnds(" \0", 2);
    std::uint64_t value = 0;
    if (static_cast<unsigned char>(field.front()) == 0x80) {
        for (const char byte : field.substr(1)) {
            if (value >> 55 != 0)
                return std::nullopt;
            value = value << 8 | static_cast<unsigned char>(byte);
        }
        return value;
    }
    field.remove_prefix(std::min(field.find_first_not_of(' '), field.size()));
    const std::size_t digits = std::min(field.find_first_of(kEnds), field.size());
    if (digits == 0 || digits > 20 || field.find_first_not_of(kEnds, digits) != field.npos)
        return std::nullopt;
    for (const char c : field.substr(0, digits)) {
        if (c < '0' || c > '7')
            return std::nullopt;
        value = value << 3 | static_cast<unsigned>(c - '0');
    }
    return value;
}

// The sum of all bytes of the header, its own field counted as blanks.
bool has_right_checksum(std::string_view header)
{
    constexpr std::size_t kAt = 148, kBytes = 8;
    std::uint64_t sum = kBytes * std::uint64_t{' '};
    for (std::size_t i = 0; i < header.size(); ++i)
        if (i < kAt || i >= kAt + kBytes)
            sum += static_cast<unsigned char>(header[i]);
    return number_field(header.substr(kAt, kBytes)) == sum;
}

// Not clean_relative_path: packages have backslashes in the names of systemd units.
std::optional<std::string> clean_member_path(std::string_view path)
{
    if (path.empty() || path.front() == '/' || path.find('\0') != std::string_view::npos)
        return std::nullopt;
    std::string clean;
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/'), path.size());
        const std::string_view part = path.substr(0, end);
        path.remove_prefix(std::min(end + 1, path.size()));
        if (part == "..")
            return std::nullopt;
        if (part.empty() || part == ".")
            continue;
        if (!clean.empty())
            clean += '/';
        clean += part;
    }
    return clean;
}

class TarReader {
public:
    TarReader(std::string_view tar, const VisitTarMember& visit) : rest_(tar), visit_(visit) {}

    Result<void> read()
    {
        for (;;) {
            if (rest_.size() < kBlock)
                return refuse("it has no end");
            const std::string_view header = rest_.substr(0, kBlock);
            if (header.find_first_not_of('\0') == header.npos)
                break;
            rest_.remove_prefix(kBlock);
            TRY_VOID(read_member(header));
        }
        if (rest_.find_first_not_of('\0') != rest_.npos)
            return refuse("there is something behind its end");
        if (has_announcement())
            return refuse("a long name belongs to no member");
        return {};
    }

private:
    Result<void> read_member(std::string_view header)
    {
        if (!has_right_checksum(header))
            return refuse("a header has a wrong checksum");
        const std::string_view magic = header.substr(257, 5);
        if (magic != "ustar")
            return refuse("a header is neither ustar nor GNU");
        auto size = number_field(header.substr(124, 12));
        if (!size || *size > kLargestTarItem)
            return refuse("a member has an impossible size");
        const char type = header[156];
        const bool is_announcement = type == 'L' || type == 'K' || type == 'x';
        if (!is_announcement && size_)
            size = size_;
        const bool has_content = is_announcement || type == '0' || type == '\0';
        if (!has_content && *size != 0)
            return refuse("a member that is no file has content");
        TRY(const std::string_view content, take(*size));
        if (!is_announcement)
            return visit_member(header, type, content);
        if (content.size() > kLargestName)
            return refuse("a name is too long");
        return type == 'x' ? read_records(content) : read_long_name(type, content);
    }

    /// The content of a member with its padding.
    Result<std::string_view> take(std::uint64_t size)
    {
        const std::uint64_t padded = (size + kBlock - 1) / kBlock * kBlock;
        if (padded > rest_.size())
            return refuse("a member is larger than what is left");
        const std::string_view content = rest_.substr(0, static_cast<std::size_t>(size));
        rest_.remove_prefix(static_cast<std::size_t>(padded));
        return content;
    }

    Result<void> read_long_name(char type, std::string_view content)
    {
        const auto name = text_field(content);
        if (!name || name->empty())
            return refuse("a long name is not text");
        return announce(type == 'L' ? path_ : link_, std::string(*name));
    }

    // "27 path=usr/share/doc/x\n": the length counts the whole record.
    Result<void> read_records(std::string_view content)
    {
        while (!content.empty()) {
            const std::size_t blank = std::min(content.find(' '), content.size());
            const auto length = parse_number<std::size_t>(content.substr(0, blank));
            if (!length || *length <= blank + 1 || *length > content.size() ||
                content[*length - 1] != '\n')
                return refuse("a pax record has a wrong length");
            const std::string_view record = content.substr(blank + 1, *length - blank - 2);
            content.remove_prefix(*length);
            const std::size_t equals = record.find('=');
            if (equals == std::string_view::npos)
                return refuse("a pax record has no value");
            TRY_VOID(read_record(record.substr(0, equals), record.substr(equals + 1)));
        }
        return {};
    }

    Result<void> read_record(std::string_view name, std::string_view value)
    {
        if (name == "path")
            return announce(path_, std::string(value));
        if (name == "linkpath")
            return announce(link_, std::string(value));
        if (name == "size") {
            const auto size = parse_number(value);
            if (!size || *size > kLargestTarItem)
                return refuse("a pax record has an impossible size");
            return announce(size_, *size);
        }
        if (name.substr(0, 4) == "GNU.")
            return refuse("sparse files are not read");
        return {};  // times, owners, attributes
    }

    template <class T>
    Result<void> announce(std::optional<T>& what, T value)
    {
        if (what)
            return refuse("a member is announced twice");
        what = std::move(value);
        return {};
    }

    bool has_announcement() const { return path_ || link_ || size_; }

    Result<void> visit_member(std::string_view header, char type, std::string_view content)
    {
        TRY(std::string path, path_of(header));
        const auto short_link = text_field(header.substr(157, 100));
        if (!short_link)
            return refuse("a link is not text");
        std::string link = link_ ? *std::exchange(link_, std::nullopt) : std::string(*short_link);
        path_.reset();
        size_.reset();
        auto clean = clean_member_path(path);
        if (!clean)
            return refuse("the path \"" + printable(path) + "\" leaves the package");
        TarMember member;
        member.path = std::move(*clean);
        member.size_bytes = content.size();
        member.content = content;
        switch (type) {
            case '0':
            case '\0':
                // Of old writers; no file has a name that ends so.
                member.kind =
                    path.back() == '/' ? TarMember::Kind::directory : TarMember::Kind::file;
                break;
            case '1':
                member.kind = TarMember::Kind::hardlink;
                break;
            case '2':
                member.kind = TarMember::Kind::symlink;
                break;
            case '3':
            case '4':
                member.kind = TarMember::Kind::device;
                break;
            case '5':
                member.kind = TarMember::Kind::directory;
                break;
            case '6':
                member.kind = TarMember::Kind::fifo;
                break;
            default:
                return refuse("a member is of the unknown type \"" +
                              printable(std::string_view(&type, 1)) + "\"");
        }
        if (member.kind == TarMember::Kind::hardlink) {
            auto target = clean_member_path(link);
            if (!target)
                return refuse("a hard link to \"" + printable(link) + "\" leaves the package");
            link = std::move(*target);
        }
        if (member.kind == TarMember::Kind::directory && !content.empty())
            return refuse("a directory has content");
        member.link = std::move(link);
        visit_(member);
        return {};
    }

    Result<std::string> path_of(std::string_view header)
    {
        if (path_)
            return *path_;
        const auto name = text_field(header.substr(0, 100));
        if (!name)
            return refuse("a name is not text");
        // GNU ("ustar  ") keeps other things where ustar ("ustar\0" "00") keeps the prefix.
        if (header[262] != '\0')
            return std::string(*name);
        const auto prefix = text_field(header.substr(345, 155));
        if (!prefix)
            return refuse("a name is not text");
        return prefix->empty() ? std::string(*name)
                               : std::string(*prefix).append("/").append(*name);
    }

    std::string_view rest_;
    const VisitTarMember& visit_;
    std::optional<std::string> path_, link_;  // announced for the next member
    std::optional<std::uint64_t> size_;
};

}  // namespace

Result<void> scan_tar(std::string_view tar, const VisitTarMember& visit)
{
    return TarReader(tar, visit).read();
}

}  // namespace aptward::deb
