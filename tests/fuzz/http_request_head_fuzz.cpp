// SPDX-License-Identifier: GPL-3.0-or-later
// A head reads the same however its bytes arrive: each shorter prefix wants more bytes, bytes
// behind it change nothing, and all views stay inside it.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "http/message.h"

using namespace aptward::http;

namespace {

void require(bool holds)
{
    if (!holds)
        std::abort();
}

bool is_inside(std::string_view part, std::string_view whole)
{
    return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

void check_prefixes(std::string_view head)
{
    // Every prefix of a short head; of a long one a few, as the work is quadratic.
    const std::size_t step = 1 + head.size() / 512;
    for (std::size_t length = 0; length < head.size(); length += step) {
        const std::string copy(head.substr(0, length));  // so that ASan sees reads past it
        const auto parsed = parse_request_head(copy);
        require(parsed && !*parsed);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view buffer(reinterpret_cast<const char*>(bytes), size);
    const auto parsed = parse_request_head(buffer);
    if (!parsed || !*parsed)
        return 0;
    const RequestHead& head = **parsed;
    require(head.head_bytes <= size && head.head_bytes <= kMaxHeadBytes);
    const std::string_view text = buffer.substr(0, head.head_bytes);
    require(text.ends_with("\r\n\r\n"));
    require(!(head.is_chunked && head.body_bytes) && head.headers.size() <= kMaxHeaders);
    require(is_inside(head.method, text) && is_inside(head.target, text));
    for (const Header& header : head.headers) {
        require(is_inside(header.name, text) && is_inside(header.value, text));
        require(!header.name.empty() && header.value.find_first_of("\r\n") == std::string::npos);
    }
    const auto alone = parse_request_head(text);
    require(alone && *alone && (**alone).head_bytes == text.size() &&
            (**alone).headers.size() == head.headers.size());
    check_prefixes(text);
    return 0;
}
