// SPDX-License-Identifier: GPL-3.0-or-later
// Request heads, in two passes: the first only finds the end (memchr per line), so that a client
// that sends byte by byte costs little; the second runs once, when the head is complete.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "http/authority_internal.h"
#include "http/message.h"

namespace aptward::http {
namespace {

using Table = std::array<bool, 256>;

constexpr std::size_t kMaxMethodBytes = 24;  // the longest registered is UPDATEREDIRECTREF, 17
constexpr std::string_view kVersionStart = "HTTP/1.";

// tchar of RFC 9110 5.6.2.
constexpr Table kTokenBytes = [] {
    Table table{};
    for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789"
                                         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
        table[static_cast<unsigned char>(c)] = true;
    return table;
}();

// field-vchar, obs-text and blanks of RFC 9110 5.5; no other control byte.
constexpr Table kValueBytes = [] {
    Table table{};
    for (std::size_t byte = 0x20; byte < 0x100; ++byte)
        table[byte] = byte != 0x7f;
    table['\t'] = true;
    return table;
}();

// Visible ASCII; which of it a target may hold is for parse_target to say.
constexpr Table kTargetBytes = [] {
    Table table{};
    for (std::size_t byte = 0x21; byte < 0x7f; ++byte)
        table[byte] = true;
    return table;
}();

bool consists_of(const Table& table, std::string_view text)
{
    bool is_fine = true;
    for (const char c : text)
        is_fine &= table[static_cast<unsigned char>(c)];
    return is_fine;
}

bool is_token(std::string_view text)
{
    return !text.empty() && consists_of(kTokenBytes, text);
}

std::size_t find_byte(std::string_view text, char byte)
{
    const void* found = text.empty() ? nullptr : std::memchr(text.data(), byte, text.size());
    return found == nullptr
               ? std::string_view::npos
               : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

tl::unexpected<Error> refuse(std::string message)
{
    return fail(Errc::malformed, "request head: " + std::move(message));
}

// The head from its request line to its empty line, or nothing when that has not come yet.
// Spec: RFC 9112 2.2. A lone LF may be read as the end of a line, which is exactly how two parsers
// come to see different requests; here every line ends in CR LF.
Result<std::optional<std::string_view>> find_head(std::string_view text)
{
    std::size_t start = 0;
    for (std::size_t lines = 0; lines <= kMaxHeaders + 1; ++lines) {
        const std::size_t length = find_byte(text.substr(start), '\n');
        if (length == std::string_view::npos)
            return std::nullopt;
        if (length == 0 || text[start + length - 1] != '\r')
            return refuse("a line ends in a bare LF");
        start += length + 1;
        if (length == 1 && lines == 0)
            return refuse("an empty line instead of a request");
        if (length == 1)
            return text.substr(0, start);
    }
    return refuse("too many headers");
}

// method SP request-target SP HTTP-version (RFC 9112 3). Single blanks only: the lenient splitting
// of 3 lets a target smuggle a second version.
Result<void> read_request_line(std::string_view line, RequestHead& head)
{
    const std::size_t method_end = find_byte(line, ' ');
    if (method_end == std::string_view::npos || method_end > kMaxMethodBytes ||
        !is_token(line.substr(0, method_end)))
        return refuse("the request line has no method: " + printable(line));
    const std::string_view rest = line.substr(method_end + 1);
    const std::size_t target_end = find_byte(rest, ' ');
    if (target_end == std::string_view::npos)
        return refuse("the request line has no version");
    head.method = line.substr(0, method_end);
    head.target = rest.substr(0, target_end);
    if (head.target.empty() || !consists_of(kTargetBytes, head.target))
        return refuse("the target is empty or has odd bytes: " + printable(head.target));
    if (head.target.size() > kMaxTargetBytes)
        return refuse("the target is too long");
    const std::string_view version = rest.substr(target_end + 1);
    if (version.size() != kVersionStart.size() + 1 || !version.starts_with(kVersionStart) ||
        (version.back() != '0' && version.back() != '1'))
        return refuse("not HTTP/1.0 or HTTP/1.1: " + printable(version));
    head.minor_version = version.back() - '0';
    return {};
}

// What came of a head so far: fails when no further byte can make it a good one, so that a peer
// that speaks something else (TLS, SSH) is told at once instead of at a timeout.
Result<void> check_hopeful(std::string_view text)
{
    if (find_byte(text, '\0') != std::string_view::npos)
        return refuse("a NUL byte");
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t cr = find_byte(text.substr(start), '\r');
        if (cr == std::string_view::npos)
            break;
        start += cr + 1;
        if (start < text.size() && text[start] != '\n')
            return refuse("a bare CR");
    }
    const std::size_t line_end = find_byte(text, '\r');
    const std::string_view line = text.substr(0, line_end);
    RequestHead head;
    if (line_end != std::string_view::npos)
        return read_request_line(line, head);
    const std::string_view method = line.substr(0, find_byte(line, ' '));
    if (method.size() > kMaxMethodBytes || (!is_token(method) && !text.empty()))
        return refuse("starts with no method: " + printable(method));
    if (line.size() > kMaxMethodBytes + kMaxTargetBytes + sizeof("  HTTP/1.1"))
        return refuse("the request line is too long");
    return {};
}

// field-line of RFC 9112 5. A blank before the colon and a folded line (5.1, 5.2) are refused: they
// hide a header from one of two parsers.
Result<Header> read_header(std::string_view line)
{
    if (line.front() == ' ' || line.front() == '\t')
        return refuse("a folded header line");
    const std::size_t colon = find_byte(line, ':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
        return refuse("bad header name: " + printable(line.substr(0, colon)));
    const std::string_view value = line.substr(colon + 1);
    if (!consists_of(kValueBytes, value))
        return refuse("control byte in header " + printable(line.substr(0, colon)));
    return Header{line.substr(0, colon), trim(value)};
}

// Which headers were seen that decide where the message ends and for whom it is.
struct Framing {
    bool has_host = false, has_length = false, has_coding = false;
    bool says_close = false, says_keep_alive = false;
};

void read_connection(std::string_view value, Framing& framing)
{
    while (!value.empty()) {
        const std::size_t comma = std::min(value.find(','), value.size());
        const std::string_view option = trim(value.substr(0, comma));
        framing.says_close |= equals_ignoring_case(option, "close");
        framing.says_keep_alive |= equals_ignoring_case(option, "keep-alive");
        value.remove_prefix(std::min(comma + 1, value.size()));
    }
}

// Request smuggling lives here: each of these must have one reading, or the request is refused.
Result<void> read_framing(const Header& header, RequestHead& head, Framing& framing)
{
    if (equals_ignoring_case(header.name, "Host")) {
        // RFC 9112 3.2: more than one, or an invalid one, is answered with 400.
        if (std::exchange(framing.has_host, true))
            return refuse("Host is given twice");
        if (!header.value.empty() && !split_authority(header.value))
            return refuse("invalid Host: " + printable(header.value));
    } else if (equals_ignoring_case(header.name, "Content-Length")) {
        // RFC 9110 8.6 would allow "5, 5"; no client of ours sends it, attackers do.
        if (std::exchange(framing.has_length, true))
            return refuse("Content-Length is given twice");
        head.body_bytes = parse_number(header.value);
        if (!head.body_bytes)
            return refuse("Content-Length is no number: " + printable(header.value));
    } else if (equals_ignoring_case(header.name, "Transfer-Encoding")) {
        // RFC 9112 6.1: anything whose end we could not find for certain.
        if (std::exchange(framing.has_coding, true))
            return refuse("Transfer-Encoding is given twice");
        if (!equals_ignoring_case(header.value, "chunked"))
            return refuse("Transfer-Encoding is not chunked: " + printable(header.value));
        head.is_chunked = true;
    } else if (equals_ignoring_case(header.name, "Connection")) {
        read_connection(header.value, framing);
    }
    return {};
}

// A quick look at length and first letter, as most headers are none of the four.
bool may_be_framing(std::string_view name)
{
    switch (name.size()) {
        case 4:
            return (name[0] | 0x20) == 'h';
        case 10:
        case 14:
            return (name[0] | 0x20) == 'c';
        case 17:
            return (name[0] | 0x20) == 't';
        default:
            return false;
    }
}

Result<void> check_framing(const Framing& framing, RequestHead& head)
{
    if (framing.has_length && framing.has_coding)
        return refuse("Content-Length with Transfer-Encoding");
    if (framing.has_coding && head.minor_version == 0)
        return refuse("Transfer-Encoding in HTTP/1.0");
    if (!framing.has_host && head.minor_version == 1)
        return refuse("no Host");
    // RFC 9112 9.3. "close" wins over "keep-alive".
    head.keep_alive = !framing.says_close && (head.minor_version == 1 || framing.says_keep_alive);
    return {};
}

Result<RequestHead> read_head(std::string_view text)
{
    RequestHead head;
    std::size_t start = find_byte(text, '\n') + 1;
    TRY_VOID(read_request_line(text.substr(0, start - 2), head));
    head.headers.reserve(16);  // apt sends four to seven
    Framing framing;
    while (true) {
        const std::size_t length = find_byte(text.substr(start), '\n');
        if (length == 1)
            break;
        // find_head made sure that CR LF ends each line; any other CR is no byte of a value.
        TRY(const Header header, read_header(text.substr(start, length - 1)));
        if (may_be_framing(header.name))
            TRY_VOID(read_framing(header, head, framing));
        head.headers.push_back(header);
        start += length + 1;
    }
    TRY_VOID(check_framing(framing, head));
    return head;
}

}  // namespace

std::optional<std::string_view> RequestHead::header(std::string_view name) const
{
    std::optional<std::string_view> value;
    for (const Header& header : headers) {
        if (header.name.size() != name.size() || !equals_ignoring_case(header.name, name))
            continue;
        if (value)
            return std::nullopt;
        value = header.value;
    }
    return value;
}

Result<std::optional<RequestHead>> parse_request_head(std::string_view buffer)
{
    // RFC 9112 2.2: one CR LF in front, as old clients send it after a body.
    std::size_t skipped = 0;
    if (buffer == "\r")
        return std::nullopt;
    if (buffer.starts_with("\r\n"))
        skipped = 2;
    const std::string_view text = buffer.substr(0, kMaxHeadBytes).substr(skipped);
    TRY(const auto found, find_head(text));
    if (!found) {
        TRY_VOID(check_hopeful(text));
        if (buffer.size() >= kMaxHeadBytes)
            return refuse("too long");
        return std::nullopt;
    }
    TRY(RequestHead head, read_head(*found));
    head.head_bytes = skipped + found->size();
    return head;
}

}  // namespace aptward::http
