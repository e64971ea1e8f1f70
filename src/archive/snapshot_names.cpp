// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/snapshot_names.h"

#include <algorithm>
#include <array>

namespace aptward::archive {
namespace {

// Where the vendor publishes what its snapshot service keeps.
struct Service {
    std::string_view host, folder, archive_host, archive_path;
};
constexpr std::array<Service, 3> kServices{{
    {"snapshot.ubuntu.com", "/ubuntu/", "archive.ubuntu.com", "/ubuntu"},
    {"snapshot.debian.org", "/archive/debian/", "deb.debian.org", "/debian"},
    {"snapshot.debian.org", "/archive/debian-security/", "deb.debian.org", "/debian-security"},
}};

// Cuts what comes before the next slash off the front, and the slash.
std::string next_part(std::string_view& path)
{
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(part.size() + 1, path.size()));
    return std::string(part);
}

}  // namespace

std::optional<SnapshotName> read_own_snapshot(std::string_view path)
{
    constexpr std::string_view kFolder = "/snapshot/";
    if (!path.starts_with(kFolder))
        return std::nullopt;
    path.remove_prefix(kFolder.size());
    SnapshotName name;
    name.moment = next_part(path);
    name.archive = next_part(path);
    name.rest = path;
    return name;
}

SnapshotHostSettings read_snapshot_host(std::string_view url)
{
    const std::size_t at = url.find(kSnapshotId);
    SnapshotHostSettings host;
    host.source.url = url.substr(0, at - 1);
    host.below = url.substr(at + kSnapshotId.size());
    while (host.below.ends_with('/'))
        host.below.pop_back();
    return host;
}

std::string vendors_snapshot_host(std::string_view host, std::string_view path)
{
    for (const Service& service : kServices)
        if (host == service.archive_host && path == service.archive_path)
            return std::string("https://")
                .append(service.host)
                .append(service.folder)
                .append(kSnapshotId);
    return "";
}

std::optional<SnapshotName> read_vendor_snapshot(std::string_view host, std::string_view path)
{
    for (const Service& service : kServices) {
        if (host != service.host || !path.starts_with(service.folder))
            continue;
        path.remove_prefix(service.folder.size());
        SnapshotName name;
        name.host = service.archive_host;
        name.path = service.archive_path;
        name.moment = next_part(path);
        name.rest = path;
        return name;
    }
    return std::nullopt;
}

}  // namespace aptward::archive
