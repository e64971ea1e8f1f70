// SPDX-License-Identifier: GPL-3.0-or-later
// Numbers, sizes and digests: what is read prints as the text it came from, in its plainest form.
// What is shown of hostile bytes is plain, and words are pieces of their text, in its order.
#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "base/digest.h"
#include "base/text.h"

using namespace aptward;

namespace {

void check_numbers(std::string_view text)
{
    const auto number = parse_number(text);
    if (number) {
        const std::string_view digits =
            text.substr(std::min(text.find_first_not_of('0'), text.size() - 1));
        CHECK(std::to_string(*number) == digits, "printing undoes reading");
    }
    const auto small = parse_number<std::uint16_t>(text);
    CHECK(small.has_value() == (number && *number <= UINT16_MAX), "a smaller type, a lower limit");
    CHECK(!small || *small == *number, "the same number");
    if (number)
        CHECK(parse_size(text) == number, "a size without unit is a number");
    const auto thousands = parse_size(std::string(text) + "k");
    CHECK(!thousands || (number && *thousands == *number * 1000), "and k are thousands");
    CHECK(!number || *number > UINT64_MAX / 1000 || thousands, "of everything that fits");
}

void check_digest(std::string_view text)
{
    const auto digest = parse_digest(text, 7);
    if (!digest)
        return;
    CHECK(digest->hex() == to_lower(text), "a digest prints in lower case");
    CHECK(parse_digest(digest->hex(), 7) == digest, "and reads the same");
}

void check_pieces(std::string_view text)
{
    const char* from = text.data();
    for (const std::string_view word : words(text)) {
        CHECK(!word.empty() && word.data() >= from, "words follow each other");
        CHECK(word.find_first_of(" \t\r\n") == word.npos, "and have no blanks");
        from = word.data() + word.size();
    }
    CHECK(from <= text.data() + text.size(), "and stay inside the text");
    const std::string_view trimmed = trim(text);
    CHECK(trim(trimmed) == trimmed, "trimming once is enough");
    CHECK(equals_ignoring_case(text, to_lower(text)), "case does not count");
    const std::string shown = printable(text);
    for (const char c : shown)
        CHECK(c >= ' ' && c <= '~', "a message has plain bytes only");
    CHECK(shown.size() <= 4 * 80 + 3, "and is short");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    check_numbers(text);
    check_digest(text);
    check_pieces(text);
    return 0;
}
