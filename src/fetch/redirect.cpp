// SPDX-License-Identifier: GPL-3.0-or-later
#include "fetch/redirect.h"

#include "base/text.h"
#include "http/message.h"

namespace aptward::fetch {
namespace {

struct UrlParts {
    std::string scheme, authority,
        path;  // path with query; begins with '/' where there is a scheme
};

UrlParts split(std::string_view url)
{
    UrlParts parts;
    const std::size_t scheme_end = url.find("://");
    // A relative one may have a whole URL in its query.
    if (scheme_end < url.find_first_of("/?#")) {
        parts.scheme = to_lower(url.substr(0, scheme_end));
        url.remove_prefix(scheme_end + 3);
        const std::size_t slash = std::min(url.find_first_of("/?#"), url.size());
        parts.authority = to_lower(url.substr(0, slash));
        url.remove_prefix(slash);
        // RFC 3986 6.2.3. Without it the next relative Location would be appended to the host, and
        // "http://mirror.example?x" then ".evil.example/" pass as one host.
        if (!url.starts_with('/'))
            parts.path = "/";
    }
    parts.path += url;
    return parts;
}

bool has_forbidden_byte(std::string_view text)
{
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto byte = static_cast<unsigned char>(text[i]);
        if (byte <= 0x20 || byte == 0x7f)
            return true;
        if (byte == '%' && i + 2 < text.size()) {
            unsigned value = 0;
            const auto [end, error] = std::from_chars(&text[i + 1], &text[i + 1] + 2, value, 16);
            if (error == std::errc() && end == &text[i + 1] + 2 &&
                (value < 0x21 || value == 0x7f) && value != 0x20)
                return true;
        }
    }
    return false;
}

}  // namespace

Result<Redirect> judge_redirect(std::string_view from_url, std::string_view location)
{
    const std::string shown = printable(location);
    if (location.empty())
        return fail(Errc::untrusted, "a redirect without Location");
    if (has_forbidden_byte(location))
        return fail(Errc::untrusted, "a redirect to \"" + shown + "\" hides a control byte");
    const UrlParts from = split(from_url);
    UrlParts to = split(location);
    if (to.scheme.empty() && location.substr(0, 2) == "//") {
        to = split(from.scheme + ":" + std::string(location));
    } else if (to.scheme.empty()) {
        if (to_lower(location.substr(0, location.find_first_of("/?#"))).find(':') !=
            std::string::npos)
            return fail(Errc::untrusted,
                        "a redirect to \"" + shown + "\" is neither http nor https");
        to = from;
        if (location.front() == '/') {
            to.path.clear();
        } else {
            const bool keeps_query = location.front() == '#';
            to.path.erase(
                std::min(to.path.find_first_of(keeps_query ? "#" : "?#"), to.path.size()));
            if (location.front() != '?' && !keeps_query)
                to.path.erase(to.path.rfind('/') + 1);
        }
        to.path += location;
    }
    if (to.scheme != "http" && to.scheme != "https")
        return fail(Errc::untrusted, "a redirect to \"" + shown + "\" is neither http nor https");
    if (from.scheme == "https" && to.scheme == "http")
        return fail(Errc::untrusted, "a redirect from https down to http");
    if (to.authority.empty() || to.authority.find('@') != std::string::npos)
        return fail(Errc::untrusted, "a redirect to \"" + shown + "\" has no plain host");
    return Redirect{to.scheme + "://" + to.authority + to.path,
                    to.authority == from.authority && to.scheme == from.scheme};
}

}  // namespace aptward::fetch
