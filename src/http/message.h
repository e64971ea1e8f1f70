// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// HTTP/1.1 as a server speaks it: strict request heads, targets, ranges, dates. Pure.
//
// Strict because the node sits between clients and archives: whatever two parsers could read
// differently (request smuggling) is refused. Spec: RFC 9112, RFC 9110, RFC 9111.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace aptward::http {

inline constexpr std::size_t kMaxHeadBytes = 64 * 1024;  ///< Request line and headers (faults.md).
inline constexpr std::size_t kMaxHeaders = 100;
inline constexpr std::size_t kMaxTargetBytes = 8 * 1024;

struct Header {
    std::string_view name;
    std::string_view value;  ///< Without blanks at both ends.
};

/// Views into the buffer that was parsed.
struct RequestHead {
    std::string_view method;
    std::string_view target;
    int minor_version = 1;  ///< HTTP/1.0 or HTTP/1.1
    std::vector<Header> headers;
    std::size_t head_bytes = 0;               ///< Including the empty line.
    std::optional<std::uint64_t> body_bytes;  ///< Content-Length; absent: no body
    bool is_chunked = false;                  ///< Transfer-Encoding: chunked
    bool keep_alive = true;

    /// The value of the only header of that name (case ignored), or nothing.
    std::optional<std::string_view> header(std::string_view name) const;
};

/// Looks for one complete request head at the start of `buffer`.
/// Returns nothing when more bytes are needed (and fewer than kMaxHeadBytes came so far).
/// Fails with malformed: see reference list in tests/unit/http_message_test.cpp: any bare CR or
/// LF, NUL, obs-fold, blank before a colon, empty name, CL with TE, differing or malformed CL,
/// any TE but exactly "chunked", TE in HTTP/1.0, missing or repeated Host in 1.1, HTTP/0.9 and
/// other versions, too long or too many. One leading CRLF is skipped (RFC 9112 2.2).
Result<std::optional<RequestHead>> parse_request_head(std::string_view buffer);

/// What the target of a request says, in any of its forms.
struct Target {
    enum class Form { origin, absolute, authority, asterisk };
    Form form = Form::origin;
    bool is_https = false;  ///< Absolute form with https:// (answered with 400), or HTTPS/// form
    std::string host;       ///< Lower case, without port; IPv6 without brackets. Empty for origin.
    std::uint16_t port = 80;  ///< The scheme's own when not given.
    std::string
        raw_path;       ///< As sent, percent-encoding untouched, from '/' on; what upstream gets.
    std::string path;   ///< Decoded once and normalised: the key. Starts with '/'.
    std::string query;  ///< Raw, without '?'.
};

/// Reads absolute form (proxy), origin form, authority form (CONNECT) and "*".
/// `http://HTTPS///host/path` (apt-cacher-ng's spelling of an https source) becomes is_https with
/// that host and port 443.
/// Fails with malformed: userinfo, bad or zero port, bad percent-encoding, a decoded NUL, control
/// byte, backslash, or "." / ".." component however encoded once ("%2e%2e"), overlong UTF-8,
/// fragment, over kMaxTargetBytes. Doubled slashes and "/./" are cleaned from `path`.
/// '+' stays '+'; "%2B" and '+' meet at the same `path`; '~' likewise.
Result<Target> parse_target(std::string_view method, std::string_view target);

/// One byte range, resolved against a size: [first, last].
struct ByteRange {
    std::uint64_t first = 0, last = 0;
};
enum class RangeAnswer { whole, part, unsatisfiable };
struct RangeDecision {
    RangeAnswer answer = RangeAnswer::whole;
    ByteRange range;
};
/// Resolves a Range header. A malformed one, other units and more than one range are ignored
/// (answered whole), as RFC 9110 14.2 allows.
RangeDecision decide_range(std::string_view range_header, std::uint64_t size_bytes);

/// "Sun, 06 Nov 1994 08:49:37 GMT" (IMF-fixdate).
std::string format_http_date(SystemTime time);
/// IMF-fixdate, and the two obsolete forms of RFC 9110 5.6.7.
std::optional<SystemTime> parse_http_date(std::string_view text);

/// Percent-encodes a decoded path for a URL towards an upstream, leaving what Debian names
/// contain ('+', '~', ':', '@', '=', ',') as it is.
std::string encode_path(std::string_view path);

/// The standard reason phrase: 404 -> "Not Found".
std::string_view reason_phrase(int status);

}  // namespace aptward::http
