// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/lease.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace aptward::s3 {
namespace {

constexpr std::string_view kLeaseHead = "aptward-lease/v1\n", kNoticeHead = "aptward-deletes/v1\n";
constexpr std::size_t kMostNodeBytes = 64;

// The value of the line "KEY VALUE" that comes next.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view key)
{
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos)
        return std::nullopt;
    std::string_view line = text.substr(0, end);
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ' ')
        return std::nullopt;
    line.remove_prefix(key.size() + 1);
    text.remove_prefix(end + 1);
    return line;
}

bool is_node(std::string_view text)
{
    return !text.empty() && text.size() <= kMostNodeBytes &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

ShortName short_name_of(const Digest& digest)
{
    ShortName name = 0;
    for (std::size_t i = 0; i < sizeof(name); ++i)
        name = name << 8 | digest.hash[i];
    return name;
}

void put_in_order(ShortNames& names)
{
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
}

bool contains(const ShortNames& names, const Digest& digest)
{
    return std::binary_search(names.begin(), names.end(), short_name_of(digest));
}

std::string to_text(const Lease& lease)
{
    std::string text = fmt::format(
        "{}node {}\nvalid {}\nnames {}\n\n", kLeaseHead, lease.node, lease.valid.count(),
        lease.needs_everything ? "*" : std::to_string(lease.names.size()));
    if (lease.needs_everything)
        return text;
    text.reserve(text.size() + lease.names.size() * sizeof(ShortName));
    for (const ShortName name : lease.names)
        for (unsigned shift = 64; shift > 0; shift -= 8)
            text += static_cast<char>(name >> (shift - 8) & 0xff);
    return text;
}

Result<Lease> parse_lease(std::string_view text)
{
    const auto malformed = [](const char* what) {
        return fail(Errc::malformed, std::string("it is no lease: ") + what);
    };
    if (text.size() > kMostLeaseBytes)
        return malformed("it is too large");
    if (!text.starts_with(kLeaseHead))
        return malformed("its first line is another one");
    text.remove_prefix(kLeaseHead.size());
    Lease lease;
    const auto node = take_line(text, "node"), valid = take_line(text, "valid"),
               names = take_line(text, "names");
    if (!node || !is_node(*node) || !valid || !names || !text.starts_with('\n'))
        return malformed("its lines are not node, valid and names");
    text.remove_prefix(1);
    lease.node = *node;
    const auto seconds = parse_number<std::uint32_t>(*valid);
    if (!seconds || std::chrono::seconds(*seconds) > kLongestValid)
        return malformed("it counts for longer than 90 days");
    lease.valid = std::chrono::seconds(*seconds);
    lease.needs_everything = *names == "*";
    const auto count =
        lease.needs_everything ? std::optional<std::size_t>(0) : parse_number<std::size_t>(*names);
    if (!count || *count > kMostNames || text.size() != *count * sizeof(ShortName))
        return malformed("it has another number of names than it says");
    lease.names.reserve(*count);
    for (std::size_t at = 0; at < text.size(); at += sizeof(ShortName)) {
        ShortName name = 0;
        for (const char byte : text.substr(at, sizeof(ShortName)))
            name = name << 8 | static_cast<unsigned char>(byte);
        if (!lease.names.empty() && name <= lease.names.back())
            return malformed("its names are not in order");
        lease.names.push_back(name);
    }
    return lease;
}

std::string to_text(const DeletionNotice& notice)
{
    return fmt::format("{}within {}\n", kNoticeHead, notice.within.count());
}

std::optional<DeletionNotice> parse_deletion_notice(std::string_view text)
{
    if (!text.starts_with(kNoticeHead))
        return std::nullopt;
    text.remove_prefix(kNoticeHead.size());
    const auto within = take_line(text, "within");
    const auto seconds = within ? parse_number<std::uint32_t>(*within) : std::nullopt;
    if (!seconds || *seconds == 0 || std::chrono::seconds(*seconds) > kLongestWithin ||
        !text.empty())
        return std::nullopt;
    return DeletionNotice{std::chrono::seconds(*seconds)};
}

std::chrono::seconds settling_time(const DeletionNotice& notice)
{
    return 4 * notice.within;
}

}  // namespace aptward::s3
