// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/config_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "archive/names.h"
#include "archive/snapshot_names.h"
#include "base/text.h"

namespace aptward::node {
namespace {

tl::unexpected<Error> wrong(std::string_view text, std::string_view why)
{
    return fail(Errc::malformed, fmt::format("\"{}\" {}", printable(text), why));
}

bool has_only(std::string_view text, std::string_view more)
{
    return std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               more.find(c) != std::string_view::npos;
    });
}

bool is_port(std::string_view text)
{
    const auto port = parse_number<std::uint16_t>(text);
    return port && *port != 0;
}

bool is_host(std::string_view text)
{
    if (text.size() > 2 && text.front() == '[' && text.back() == ']')
        return has_only(text.substr(1, text.size() - 2), ":.");
    return !text.empty() && text.size() <= 253 && text.front() != '.' && has_only(text, "-._");
}

// "host", "host:port", "[v6]:port".
bool is_authority(std::string_view text)
{
    const std::size_t colon = text.rfind(':');
    const std::size_t bracket = text.rfind(']');
    const bool has_port =
        colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
    if (!has_port)
        return is_host(text);
    return is_host(text.substr(0, colon)) && is_port(text.substr(colon + 1));
}

// What no path in a URL holds as it is (RFC 3986 3.3), and what begins another part of the URL.
bool is_path(std::string_view text)
{
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; }) &&
           text.find_first_of("?#\\\"<>^`{|}") == std::string_view::npos;
}

// Whether a part is "." or "..": it would name something outside, or one thing twice.
bool has_dots(std::string_view path)
{
    while (!path.empty()) {
        const std::size_t slash = std::min(path.find('/'), path.size());
        const std::string_view part = path.substr(0, slash);
        if (part == "." || part == "..")
            return true;
        path.remove_prefix(std::min(slash + 1, path.size()));
    }
    return false;
}

std::string_view without_scheme(std::string_view url)
{
    const std::size_t scheme = url.find("://");
    return scheme == std::string_view::npos ? url : url.substr(scheme + 3);
}

bool begins_with_any(std::string_view text, std::initializer_list<std::string_view> schemes)
{
    return std::any_of(schemes.begin(), schemes.end(), [&](std::string_view scheme) {
        return text.substr(0, scheme.size()) == scheme;
    });
}

bool is_place(std::string_view text)
{
    const std::size_t slash = std::min(text.find('/'), text.size());
    return is_authority(text.substr(0, slash)) && is_path(text.substr(slash)) &&
           !has_dots(text.substr(slash));
}

}  // namespace

Result<void> check_upstream(std::string_view url)
{
    const std::string_view rest = without_scheme(url);
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view authority = rest.substr(0, slash);
    if (!begins_with_any(url, {"http://", "https://"}) || rest.empty() ||
        authority.find('@') != std::string_view::npos)
        return wrong(url,
                     "is no http:// or https:// URL (credentials go to user and password-file)");
    if (!is_authority(authority))
        return wrong(url,
                     "names no host with a port from 1 to 65535: write \"http://HOST/PATH\" "
                     "or \"http://HOST:PORT/PATH\"");
    if (!is_place(rest))
        return wrong(url,
                     "is no folder of an archive: accepted is \"http://HOST/PATH\" without "
                     "blanks, \"?\", \"#\" or \"..\"");
    return {};
}

Result<void> check_snapshot_host(std::string_view url)
{
    using archive::kSnapshotId;
    const std::string_view place = without_scheme(url);
    const std::size_t at = place.find(kSnapshotId);
    const std::size_t end = at + kSnapshotId.size();
    const bool is_folder = at != std::string_view::npos && place.find('/') < at &&
                           place[at - 1] == '/' && (end == place.size() || place[end] == '/') &&
                           place.find(kSnapshotId, end) == std::string_view::npos;
    if (!is_folder)
        return wrong(url,
                     "names no moment: accepted is a URL with @SNAPSHOTID@ as one of its folders, "
                     "such as \"https://snapshot.ubuntu.com/ubuntu/@SNAPSHOTID@\"");
    const archive::SnapshotHostSettings host = archive::read_snapshot_host(url);
    return check_upstream(host.source.url + host.below);
}

Result<void> check_proxy(std::string_view url)
{
    std::string_view rest = without_scheme(url);
    if (!rest.empty() && rest.back() == '/')
        rest.remove_suffix(1);
    const std::size_t at = rest.rfind('@');  // credentials, as curl takes them
    const bool is_right = begins_with_any(url, {"http://", "https://", "socks4://", "socks4a://",
                                                "socks5://", "socks5h://"}) &&
                          is_authority(rest.substr(at == std::string_view::npos ? 0 : at + 1));
    if (!is_right)
        return wrong(url,
                     "is no proxy: accepted are http, https, socks4, socks4a, socks5 and "
                     "socks5h URLs such as \"http://proxy.example:3128\"");
    return {};
}

Result<void> check_host_prefix(std::string_view text)
{
    const bool has_scheme = text.find("://") != std::string_view::npos;
    std::string place(without_scheme(text));
    const std::size_t star = place.find('*');
    const std::size_t end = place.find_first_of(":/");
    if (star < end && place.find_first_not_of("*.") < end)
        place[star] = 'x';  // what it stands for is part of a name
    if ((has_scheme && !begins_with_any(text, {"http://", "https://"})) || !is_place(place))
        return wrong(text,
                     "is no host with a path: accepted is \"archive.example/debian\", "
                     "\"archive.example:8080/debian\" or \"*.archive.example/debian\"");
    return {};
}

Result<void> check_host_and_port(std::string_view text)
{
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || !is_host(text.substr(0, colon)) ||
        !is_port(text.substr(colon + 1)))
        return wrong(text, "is no host with a port: accepted is \"private.example:8443\"");
    return {};
}

Result<void> check_suite(std::string_view name)
{
    std::string_view body = name;
    if (!body.empty() && body.back() == '/')
        body.remove_suffix(1);
    const bool is_root = name == "/";
    if (!is_root && (body.empty() || body.front() == '/' || body.back() == '/' || !is_path(body) ||
                     has_dots(body) || body.find("//") != std::string_view::npos))
        return wrong(name,
                     "is no suite: accepted is a name such as \"bookworm\" or "
                     "\"bookworm/updates\", and \"FOLDER/\" or \"/\" for a flat repository");
    return {};
}

Result<void> check_word(std::string_view name)
{
    if (name.empty() || name.front() == '/' || name.back() == '/' || !has_only(name, "-._+/") ||
        has_dots(name))
        return wrong(name,
                     "is no name: accepted is one word such as \"main\", \"amd64\" or "
                     "\"updates/main\" in each pair of quotes");
    return {};
}

Result<void> check_inside(std::string_view pattern)
{
    if (has_dots(pattern))
        return wrong(pattern,
                     "leads out of the archive: accepted are paths below its top without "
                     "\".\" and \"..\", such as \"doc/\"");
    return {};
}

std::vector<std::string> doubly_claimed(const archive::ArchiveSettings& archive,
                                        const std::vector<archive::ArchiveSettings>& others)
{
    std::set<std::string> claimed;
    for (const std::string& host : archive.hosts) {
        const archive::Prefix prefix = archive::read_prefix(host, 0);
        claimed.insert(prefix.host + prefix.path);
    }
    std::vector<std::string> sentences;
    for (const archive::ArchiveSettings& other : others)
        for (const std::string& host : other.hosts) {
            const archive::Prefix prefix = archive::read_prefix(host, 0);
            if (claimed.erase(prefix.host + prefix.path) > 0)
                sentences.push_back(
                    fmt::format("\"{}{}\" is claimed by archive {} already: a request for it could "
                                "mean either; "
                                "accepted is each host and path in one archive only",
                                prefix.host, prefix.path, other.id));
        }
    return sentences;
}

}  // namespace aptward::node
