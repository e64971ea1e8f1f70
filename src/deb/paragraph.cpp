// SPDX-License-Identifier: GPL-3.0-or-later
// One deb822 paragraph (Debian policy 5.1), strictly: apt and we must never read one signed text
// differently, so what parsers disagree about is refused instead of guessed.
#include "base/text.h"
#include "base/utf8.h"
#include "deb/deb.h"
#include "deb/line.h"

namespace aptward::deb {
namespace {

constexpr std::size_t kMostFields = 500;  // guess: Release files have about 20

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
