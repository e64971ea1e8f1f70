// SPDX-License-Identifier: GPL-3.0-or-later
// One deb822 paragraph (Debian policy 5.1), strictly: apt and we must never read one signed text
// differently, so what parsers disagree about is refused instead of guessed.
#include <cstring>

#include "base/text.h"
#include "deb/deb.h"
#include "deb/line.h"

namespace aptward::deb {
namespace {

constexpr std::size_t kMostFields = 500;  // guess: Release files have about 20

// How many bytes the UTF-8 sequence at the front takes; 0 when it is none (RFC 3629 4: no
// overlong forms, no surrogates, nothing above U+10FFFF).
std::size_t sequence_bytes(std::string_view text)
{
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto is_tail = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
    const unsigned lead = byte(0);
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return is_tail(1) ? 2 : 0;
    if (lead >= 0xe0 && lead <= 0xef) {
        const unsigned lowest = lead == 0xe0 ? 0xa0 : 0x80;
        const unsigned highest = lead == 0xed ? 0x9f : 0xbf;
        return byte(1) >= lowest && byte(1) <= highest && is_tail(2) ? 3 : 0;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        const unsigned lowest = lead == 0xf0 ? 0x90 : 0x80;
        const unsigned highest = lead == 0xf4 ? 0x8f : 0xbf;
        return byte(1) >= lowest && byte(1) <= highest && is_tail(2) && is_tail(3) ? 4 : 0;
    }
    return 0;
}

bool is_utf8(std::string_view text)
{
    constexpr std::uint64_t kHighBits = 0x8080808080808080;
    while (!text.empty()) {
        std::uint64_t eight = 0;
        if (text.size() >= sizeof eight) {
            std::memcpy(&eight, text.data(), sizeof eight);
            if ((eight & kHighBits) == 0) {
                text.remove_prefix(sizeof eight);
                continue;
            }
        }
        const std::size_t length = sequence_bytes(text);
        if (length == 0)
            return false;
        text.remove_prefix(length);
    }
    return true;
}

bool is_field_name(std::string_view name)
{
    if (name.empty() || name.front() == '#' || name.front() == '-')
        return false;
    return std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
}

class ParagraphParser {
public:
    Result<void> add(std::string_view line)
    {
        ++line_number_;
        const std::string_view content = trim_line(line);
        if (content.empty()) {
            has_ended_ = has_ended_ || !fields_.empty();
            return {};
        }
        if (has_ended_)  // V22: apt would read the first paragraph, another reader the second
            return refuse("there is a second paragraph");
        if (is_blank(line.front())) {
            if (fields_.empty())
                return refuse("a continuation line comes before any field");
            fields_.back().value.append("\n").append(content);
            return {};
        }
        return start_field(line);
    }

    Result<std::vector<Field>> finish() &&
    {
        if (fields_.empty())
            return fail(Errc::malformed, "there is no field");
        return std::move(fields_);
    }

private:
    Result<void> start_field(std::string_view line)
    {
        const std::size_t colon = line.find(':');
        const std::string_view name = line.substr(0, colon);
        if (colon == line.npos || !is_field_name(name))
            return refuse("\"" + printable(line) + "\" is not a field");
        for (const Field& field : fields_)
            if (equals_ignoring_case(field.name, name))
                return refuse("field " + printable(name) + " appears twice");
        if (fields_.size() == kMostFields)
            return refuse("there are too many fields");
        fields_.push_back({name, std::string(trim_line(line.substr(colon + 1)))});
        return {};
    }

    tl::unexpected<Error> refuse(const std::string& why) const
    {
        return fail(Errc::malformed, "line " + std::to_string(line_number_) + ": " + why);
    }

    std::vector<Field> fields_;
    std::size_t line_number_ = 0;
    bool has_ended_ = false;
};

}  // namespace

Result<std::vector<Field>> parse_single_paragraph(std::string_view text)
{
    if (text.find('\0') != text.npos)
        return fail(Errc::malformed, "there is a NUL byte");
    if (!is_utf8(text))
        return fail(Errc::malformed, "the text is not UTF-8");
    ParagraphParser parser;
    while (!text.empty())
        TRY_VOID(parser.add(next_line(text)));
    return std::move(parser).finish();
}

}  // namespace aptward::deb
