// SPDX-License-Identifier: GPL-3.0-or-later
// Request targets and paths. The decoded path is a cache key: two spellings of one name must meet,
// and no spelling may reach outside the archive or mean different things to us and to an upstream.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/utf8.h"
#include "http/authority_internal.h"
#include "http/message.h"

namespace aptward::http {
namespace {

constexpr std::size_t kMaxHostBytes = 253;  // RFC 1035 2.3.4, written with dots

tl::unexpected<Error> refuse(std::string_view why, std::string_view target)
{
    return fail(Errc::malformed, fmt::format("request target: {}: {}", why, printable(target)));
}

bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool is_ipv6(std::string_view text)
{
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (text.size() >= buffer.size())
        return false;
    text.copy(buffer.data(), text.size());
    in6_addr address{};
    return inet_pton(AF_INET6, buffer.data(), &address) == 1;
}

// Labels of letters, digits, '-' and '_', with single dots between them; one dot may end it.
bool is_host_name(std::string_view text)
{
    if (text.empty() || text.size() > kMaxHostBytes || text.front() == '.')
        return false;
    char previous = 'a';
    for (const char c : text) {
        if (!is_letter_or_digit(c) && c != '-' && c != '_' && (c != '.' || previous == '.'))
            return false;
        previous = c;
    }
    return true;
}

// One address has one spelling: "[0:0::1]" and "[::1]" must not be two hosts.
std::string canonical_host(const Authority& authority)
{
    if (!authority.is_ipv6) {
        std::string host = to_lower(authority.host);
        if (host.ends_with('.'))
            host.pop_back();
        return host;
    }
    in6_addr address{};
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_pton(AF_INET6, std::string(authority.host).c_str(), &address);
    inet_ntop(AF_INET6, &address, text.data(), text.size());
    return text.data();
}

// Decodes exactly once, so "%252e" is the name "%2e" and never a dot.
// Returns why not as a non-empty text.
std::string_view decode(std::string_view raw, std::string& decoded)
{
    for (std::size_t i = 0; i < raw.size(); ++i) {
        char c = raw[i];
        if (c == '%') {
            const int high = i + 2 < raw.size() ? hex_value(raw[i + 1]) : -1;
            const int low = i + 2 < raw.size() ? hex_value(raw[i + 2]) : -1;
            if (high < 0 || low < 0)
                return "bad percent-encoding";
            c = static_cast<char>(high * 16 + low);
            i += 2;
            // Upstreams disagree whether an encoded slash separates.
            if (c == '/')
                return "encoded slash";
        }
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            return "control byte in the path";
        if (c == '\\')
            return "backslash in the path";
        decoded += c;
    }
    return is_utf8(decoded) ? std::string_view() : "the path is not UTF-8";
}

// Appends the segments of `raw` decoded to `path`. An empty segment and a literal "." vanish (flat
// archives are asked for as /flat/./InRelease); "..", and a dot that somebody took care to encode,
// are refused rather than resolved: no client of ours sends them, and the upstream gets raw_path.
std::string_view normalise(std::string_view raw, std::string& path)
{
    std::string segment;
    bool ends_in_slash = true;
    for (std::size_t start = 1; start <= raw.size();) {
        const std::size_t end = std::min(raw.find('/', start), raw.size());
        const std::string_view raw_segment = raw.substr(start, end - start);
        start = end + 1;
        ends_in_slash = raw_segment.empty() || raw_segment == ".";
        if (ends_in_slash)
            continue;
        segment.clear();
        if (const std::string_view why = decode(raw_segment, segment); !why.empty())
            return why;
        if (segment == "." || segment == "..")
            return "dot segment in the path";
        path += '/';
        path += segment;
    }
    if (ends_in_slash)
        path += '/';
    return {};
}

Result<void> read_path(std::string_view text, Target& target)
{
    const std::size_t question = text.find('?');
    const std::string_view raw_path = text.substr(0, question);
    if (question != std::string_view::npos)
        target.query = text.substr(question + 1);
    target.raw_path = raw_path.empty() ? "/" : raw_path;
    target.path.reserve(target.raw_path.size());
    if (const std::string_view why = normalise(target.raw_path, target.path); !why.empty())
        return refuse(why, text);
    return {};
}

Result<void> read_authority(std::string_view text, Target& target)
{
    const std::optional<Authority> authority = split_authority(text);
    if (!authority)
        return refuse("bad host or port", text);
    target.host = canonical_host(*authority);
    target.port = authority->port.value_or(target.is_https ? 443 : 80);
    return {};
}

Result<void> read_host_and_path(std::string_view text, Target& target)
{
    const std::size_t authority_end = std::min(text.find_first_of("/?"), text.size());
    TRY_VOID(read_authority(text.substr(0, authority_end), target));
    return read_path(text.substr(authority_end), target);
}

bool starts_ignoring_case(std::string_view text, std::string_view start)
{
    return equals_ignoring_case(text.substr(0, start.size()), start);
}

// RFC 9112 3.2.2, and apt-cacher-ng's way to name an https source through a plain proxy.
Result<void> read_absolute(std::string_view text, Target& target)
{
    constexpr std::string_view kHttp = "http://";
    constexpr std::string_view kHttps = "https://";
    constexpr std::string_view kHttpsBehindHttp = "HTTPS///";
    target.form = Target::Form::absolute;
    if (starts_ignoring_case(text, kHttps)) {
        target.is_https = true;
        return read_host_and_path(text.substr(kHttps.size()), target);
    }
    if (!starts_ignoring_case(text, kHttp))
        return refuse("neither a path nor an http URL", text);
    text.remove_prefix(kHttp.size());
    if (starts_ignoring_case(text, kHttpsBehindHttp)) {
        target.is_https = true;
        text.remove_prefix(kHttpsBehindHttp.size());
    }
    return read_host_and_path(text, target);
}

// RFC 9112 3.2.3. There is no default port to fall back on.
Result<void> read_connect(std::string_view text, Target& target)
{
    target.form = Target::Form::authority;
    const std::optional<Authority> authority = split_authority(text);
    if (!authority || !authority->port)
        return refuse("CONNECT needs host:port", text);
    return read_authority(text, target);
}

}  // namespace

std::optional<Authority> split_authority(std::string_view text)
{
    Authority authority;
    std::size_t host_end = 0;
    if (text.starts_with('[')) {
        host_end = text.find(']');
        if (host_end == std::string_view::npos)
            return std::nullopt;
        authority.host = text.substr(1, host_end - 1);
        authority.is_ipv6 = true;
        ++host_end;
    } else {
        host_end = std::min(text.find(':'), text.size());
        authority.host = text.substr(0, host_end);
    }
    if (!(authority.is_ipv6 ? is_ipv6(authority.host) : is_host_name(authority.host)))
        return std::nullopt;
    if (host_end == text.size())
        return authority;
    // No leading zero: "0080" is 80 to some readers and 64 to others.
    const std::string_view port = text.substr(host_end + 1);
    if (text[host_end] != ':' || port.starts_with('0'))
        return std::nullopt;
    authority.port = parse_number<std::uint16_t>(port);
    return authority.port ? std::optional(authority) : std::nullopt;
}

Result<Target> parse_target(std::string_view method, std::string_view target_text)
{
    if (target_text.size() > kMaxTargetBytes)
        return refuse("too long", target_text);
    for (const char c : target_text)
        if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7f)
            return refuse("a byte that no URL has", target_text);
    // A fragment never travels (RFC 9110 7.1); an upstream might cut there and answer another name.
    if (target_text.find('#') != std::string_view::npos)
        return refuse("fragment", target_text);

    Target target;
    if (method == "CONNECT") {
        TRY_VOID(read_connect(target_text, target));
    } else if (target_text.starts_with('/')) {
        TRY_VOID(read_path(target_text, target));
    } else if (target_text == "*" && method == "OPTIONS") {  // RFC 9112 3.2.4
        target.form = Target::Form::asterisk;
    } else {
        TRY_VOID(read_absolute(target_text, target));
    }
    return target;
}

std::string encode_path(std::string_view path)
{
    constexpr std::string_view kHex = "0123456789ABCDEF";
    constexpr std::string_view kPlain = "/-._~+:@=,";
    std::string encoded;
    encoded.reserve(path.size());
    for (const char c : path) {
        if (is_letter_or_digit(c) || kPlain.find(c) != std::string_view::npos) {
            encoded += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        encoded += '%';
        encoded += kHex[byte >> 4U];
        encoded += kHex[byte & 0x0fU];
    }
    return encoded;
}

}  // namespace aptward::http
