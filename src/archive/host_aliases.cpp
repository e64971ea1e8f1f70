// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/host_aliases.h"

#include <algorithm>

#include "archive/names.h"

namespace aptward::archive {
namespace {

// Each line is one archive: whoever claims one of its names is asked for by all of them.
const std::vector<std::vector<std::string>>& families()
{
    static const std::vector<std::vector<std::string>> kFamilies = {
        {"archive.ubuntu.com/ubuntu", "*.archive.ubuntu.com/ubuntu", "security.ubuntu.com/ubuntu"},
        {"ports.ubuntu.com/ubuntu-ports", "ports.ubuntu.com", "*.ports.ubuntu.com/ubuntu-ports"},
        {"deb.debian.org/debian", "*.deb.debian.org/debian", "ftp.debian.org/debian",
         "ftp.*.debian.org/debian", "http.debian.net/debian", "httpredir.debian.org/debian",
         "cloudfront.debian.net/debian"},
        {"deb.debian.org/debian-security", "*.deb.debian.org/debian-security",
         "security.debian.org/debian-security", "security.debian.org",
         "cloudfront.debian.net/debian-security"}};
    return kFamilies;
}

bool names(const std::string& pattern, const std::string& host)
{
    const Prefix general = read_prefix(pattern, 0);
    const Prefix one = read_prefix(host, 0);
    return general.path == one.path && fits_host(general.host, one.host);
}

}  // namespace

std::vector<std::string> host_aliases(const std::vector<std::string>& hosts)
{
    std::vector<std::string> aliases;
    for (const std::vector<std::string>& family : families()) {
        const bool is_it = std::any_of(hosts.begin(), hosts.end(), [&](const std::string& host) {
            return std::any_of(family.begin(), family.end(),
                               [&](const std::string& pattern) { return names(pattern, host); });
        });
        if (is_it)
            aliases.insert(aliases.end(), family.begin(), family.end());
    }
    return aliases;
}

}  // namespace aptward::archive
