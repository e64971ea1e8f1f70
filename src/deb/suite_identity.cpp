// SPDX-License-Identifier: GPL-3.0-or-later
// Whether a genuine release was served at its own place (V29, A22). Its signature alone does not
// say so: the vendor signs all of its suites with the same keys, so a mirror could serve
// noble-proposed at dists/noble, and apt would install from it without a word (archive-reality 4).
#include <array>

#include "deb/deb.h"

namespace aptward::deb {
namespace {

// What follows a codename in the names of its sibling suites; the longest first.
constexpr std::array<std::string_view, 8> kPockets = {
    "-backports-sloppy", "-proposed-updates", "-backports", "-proposed",
    "-security",         "-updates",          "-lts",       "-debug"};

std::string_view pocket_of(std::string_view name)
{
    if (name == "proposed-updates")  // Debian's Suite of bookworm-proposed-updates
        return "-proposed-updates";
    for (const std::string_view pocket : kPockets)
        if (name.size() > pocket.size() && name.ends_with(pocket))
            return pocket;
    return {};
}

// The names of a release; "." and "./", which some tools write, say nothing.
struct Names {
    std::string_view suite, codename;

    explicit Names(const Release& release)
        : suite(said(release.suite)), codename(said(release.codename))
    {
    }
    static std::string_view said(std::string_view name)
    {
        return name == "." || name == "./" ? std::string_view() : name;
    }
};

// The Suite field names a suite that shares its codename with the one called `path`.
bool is_sibling(const Names& names, std::string_view path)
{
    const bool extends_path = names.suite.size() > path.size() && names.suite.starts_with(path) &&
                              names.suite[path.size()] == '-';
    if (extends_path || pocket_of(names.suite) != pocket_of(path))
        return true;
    // Debian ports publish "unreleased" beside "unstable", both with Codename sid.
    return names.suite == "unreleased" && path == "sid";
}

bool fits_name(const Names& names, std::string_view path)
{
    if (names.suite == path)
        return true;
    return names.codename == path && (names.suite.empty() || !is_sibling(names, path));
}

// Ubuntu's devel, devel-updates, ...: whatever series is current, in the same pocket. Ubuntu's
// Codename never carries the pocket, so Suite must be exactly the one with the other.
bool fits_devel(const Names& names, std::string_view path)
{
    constexpr std::string_view kDevel = "devel";
    if (!path.starts_with(kDevel) || names.codename.empty())
        return false;
    const std::string_view pocket = path.substr(kDevel.size());
    if (!pocket.empty() && pocket_of(path) != pocket)
        return false;
    return names.suite == std::string(names.codename).append(pocket);
}

// Names under which the same directory is published.
bool fits_alias(const Names& names, std::string_view path)
{
    // Debian: security suites were X/updates until buster, and these names still lead to
    // X-security.
    constexpr std::string_view kUpdates = "/updates";
    if (path.ends_with(kUpdates)) {
        const std::string_view name = path.substr(0, path.size() - kUpdates.size());
        return fits_name(names, name) || fits_name(names, std::string(name) + "-security");
    }
    // dists/stable-proposed-updates is a link to what calls itself proposed-updates.
    if (path == "stable-proposed-updates")
        return names.suite == "proposed-updates";
    return fits_devel(names, path);
}

}  // namespace

bool fits_suite_path(const Release& release, std::string_view suite_path,
                     const std::vector<std::string>& extra_aliases)
{
    if (suite_path.empty() || suite_path.back() == '/')
        return true;
    const Names names(release);
    if (names.suite.empty() && names.codename.empty())  // signer, Origin and Label are pinned
        return true;
    if (fits_name(names, suite_path) || fits_alias(names, suite_path))
        return true;
    for (const std::string& alias : extra_aliases)
        if (fits_name(names, alias))
            return true;
    return false;
}

}  // namespace aptward::deb
