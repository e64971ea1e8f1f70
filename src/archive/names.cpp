// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/names.h"

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"

namespace aptward::archive {
namespace {

constexpr std::string_view kDists = "dists/";

bool is_release_name(std::string_view name)
{
    return name == "InRelease" || name == "Release" || name == "Release.gpg";
}

std::pair<std::string_view, std::string_view> split_last(std::string_view path)
{
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos)
        return {std::string_view(), path};
    return {path.substr(0, slash), path.substr(slash + 1)};
}

// "main/binary-amd64" and the like: where Release stubs live that are listed as indexes.
bool is_inside_suite(std::string_view directory)
{
    const std::string_view last = split_last(directory).second;
    return last.substr(0, 7) == "binary-" || last == "source" || last == "i18n" ||
           last.substr(0, 10) == "installer-";
}

std::optional<Name> read_by_hash(std::string_view suite, std::string_view rest)
{
    const std::size_t at = rest.rfind("by-hash/");
    if (at == std::string_view::npos || (at > 0 && rest[at - 1] != '/'))
        return std::nullopt;
    const std::string_view tail = rest.substr(at + 8);
    const std::size_t slash = tail.find('/');
    if (slash == std::string_view::npos || !parse_digest(tail.substr(slash + 1), 0))
        return std::nullopt;
    Name name;
    name.kind = Name::Kind::by_hash;
    name.suite = suite;
    name.rest = rest;
    name.directory = rest.substr(0, at > 0 ? at - 1 : 0);
    name.hex = to_lower(tail.substr(slash + 1));
    return name;
}

Name below_suite(std::string_view suite, std::string_view rest)
{
    if (auto by_hash = read_by_hash(suite, rest))
        return *by_hash;
    Name name;
    name.kind = is_release_name(rest) ? Name::Kind::release_file : Name::Kind::index;
    name.suite = suite;
    name.rest = rest;
    return name;
}

// A suite nobody asked for before: its InRelease comes first, so the path tells where it ends.
std::optional<Name> read_new_suite(std::string_view path)
{
    const auto [directory, file] = split_last(path);
    if (!is_release_name(file))
        return std::nullopt;
    if (path.substr(0, kDists.size()) != kDists)
        return below_suite(std::string(directory) + "/", file);
    if (directory.size() <= kDists.size() || is_inside_suite(directory))
        return std::nullopt;
    return below_suite(directory.substr(kDists.size()), file);
}

}  // namespace

std::string suite_folder(std::string_view suite)
{
    if (suite == "/")
        return "";
    if (!suite.empty() && suite.back() == '/')
        return std::string(suite);
    return std::string(kDists) + std::string(suite) + "/";
}

std::string by_hash_path(std::string_view path, const Digest& digest)
{
    const std::size_t slash = path.rfind('/');
    std::string folder(path.substr(0, slash == std::string_view::npos ? 0 : slash + 1));
    return folder + "by-hash/" + std::string(to_string(digest.algorithm)) + "/" + digest.hex();
}

Name read_name(std::string_view path, const std::vector<std::string_view>& suites)
{
    std::string_view best;
    std::size_t best_bytes = 0;
    bool is_found = false;
    for (const std::string_view suite : suites) {
        const std::string folder = suite_folder(suite);
        const bool fits = path.substr(0, folder.size()) == folder;
        // A flat root would swallow everything: only names directly in it are its indexes.
        const bool is_outside = folder.empty() && path.find('/') != std::string_view::npos &&
                                path.substr(0, 8) != "by-hash/";
        if (fits && !is_outside && (!is_found || folder.size() > best_bytes)) {
            best = suite;
            best_bytes = folder.size();
            is_found = true;
        }
    }
    if (is_found) {
        Name name = below_suite(best, path.substr(best_bytes));
        const bool is_other_suites = name.kind == Name::Kind::index &&
                                     is_release_name(split_last(path).second) &&
                                     !is_inside_suite(split_last(path).first);
        if (!is_other_suites)
            return name;
    }
    if (auto fresh = read_new_suite(path))
        return *fresh;
    if (path.substr(0, kDists.size()) == kDists) {
        const std::string_view rest = path.substr(kDists.size());
        const std::size_t slash = std::min(rest.find('/'), rest.size());
        return below_suite(rest.substr(0, slash), rest.substr(std::min(slash + 1, rest.size())));
    }
    Name name;
    name.rest = path;
    return name;
}

bool fits_host(std::string_view pattern, std::string_view host)
{
    const std::size_t star = pattern.find('*');
    if (star == std::string_view::npos)
        return pattern == host;
    const std::string_view before = pattern.substr(0, star);
    const std::string_view after = pattern.substr(star + 1);
    return host.size() > before.size() + after.size() && host.starts_with(before) &&
           host.ends_with(after);
}

std::optional<PrefixMatch> find_prefix(const std::vector<Prefix>& prefixes, std::string_view host,
                                       std::string_view path)
{
    const Prefix* best = nullptr;
    for (const Prefix& prefix : prefixes) {
        if (!fits_host(prefix.host, host) || !path.starts_with(prefix.path))
            continue;
        const bool is_whole = path.size() == prefix.path.size() || path[prefix.path.size()] == '/';
        const auto rank = [&](const Prefix& one) {
            return std::pair(one.path.size(), one.host == host);
        };
        if (is_whole && (best == nullptr || rank(*best) < rank(prefix)))
            best = &prefix;
    }
    if (best == nullptr)
        return std::nullopt;
    return PrefixMatch{best->archive, best->path.size()};
}

Prefix read_prefix(std::string_view text, std::size_t archive)
{
    const std::size_t scheme = text.find("://");
    const bool is_https = text.substr(0, 8) == "https://";
    if (scheme != std::string_view::npos)
        text.remove_prefix(scheme + 3);
    const std::size_t slash = std::min(text.find('/'), text.size());
    Prefix prefix;
    prefix.host = to_lower(text.substr(0, slash));
    const std::string_view own_port = is_https ? ":443" : ":80";
    if (prefix.host.size() > own_port.size() &&
        prefix.host.substr(prefix.host.size() - own_port.size()) == own_port)
        prefix.host.erase(prefix.host.size() - own_port.size());
    prefix.path = text.substr(slash);
    while (!prefix.path.empty() && prefix.path.back() == '/')
        prefix.path.pop_back();
    prefix.archive = archive;
    return prefix;
}

}  // namespace aptward::archive
