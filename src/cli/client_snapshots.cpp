// SPDX-License-Identifier: GPL-3.0-or-later
// What `aptward client setup` says to an apt that knows snapshots (2.7.1 and later; the older ones
// of Ubuntu with a backport; all others read past it).
//
// `apt -S MOMENT` and `Snapshot: MOMENT` turn a source's URI into one of a snapshot service. Which,
// apt takes in this order: Override::Label, Override::Origin, the Snapshots field of the release
// that it has, Label, Origin, and the host of the source (SnapshotServer() in its debmetaindex.cc).
// What apt knows by itself is https, and goes past every node. The vendors' services are named here
// with http: a node that is asked as a proxy answers for them, and without one apt goes there.
// Other sources have no such service, so the node is named, by the host of the source.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/file.h"
#include "cli/client_parts.h"
#include "deb/sources_text.h"

namespace aptward::cli {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr std::string_view kTlsScheme = "https://";

struct Service {
    const char* whose;  ///< As apt finds it.
    const char* uri;
};
constexpr Service kServices[] = {
    {"Override::Label::Debian-Security",
     "http://snapshot.debian.org/archive/debian-security/@SNAPSHOTID@/"},
    {"Override::Origin::Debian", "http://snapshot.debian.org/archive/debian/@SNAPSHOTID@/"},
    {"Override::Origin::Ubuntu", "http://snapshot.ubuntu.com/ubuntu/@SNAPSHOTID@/"},
    {"Host::deb.debian.org", "http://snapshot.debian.org/archive/@PATH@/@SNAPSHOTID@/"},
    {"Host::archive.ubuntu.com", "http://snapshot.ubuntu.com/@PATH@/@SNAPSHOTID@/"},
    {"Host::.archive.ubuntu.com", "http://snapshot.ubuntu.com/@PATH@/@SNAPSHOTID@/"},
    {"Host::security.ubuntu.com", "http://snapshot.ubuntu.com/@PATH@/@SNAPSHOTID@/"},
};

bool has_service(const std::string& host)
{
    return std::any_of(std::begin(kServices), std::end(kServices), [&](const Service& service) {
        const std::string_view whose = service.whose;
        return whose == "Host::" + host ||
               (whose.starts_with("Host::.") && host.ends_with(whose.substr(6)));
    });
}

/// The sources of one host, as apt counts hosts: without the port.
struct Host {
    std::string authority;  ///< "host" or "host:port"
    std::string why_not;    ///< Empty: the node has them all.
};

void look_at(const std::string& node, const deb::UriPlace& place,
             const std::vector<std::string>& with_passwords, std::map<std::string, Host>& hosts)
{
    std::string_view rest = place.uri;
    for (const std::string_view scheme : {kScheme, kTlsScheme})
        if (rest.starts_with(scheme))
            rest.remove_prefix(scheme.size());
    if (rest.size() == place.uri.size())
        return;  // no host to ask
    const std::string authority(rest.substr(0, rest.find('/')));
    const std::string name = authority.substr(0, authority.find(':'));
    if (has_service(name) || authority.front() == '[')
        return;
    Host& host = hosts.try_emplace(name, Host{authority, ""}).first->second;
    const std::string plain = std::string(kScheme) + std::string(rest);
    const auto is_served_too = [&](const std::string& suite) {
        return is_served(node, plain, suite);
    };
    if (authority.find('@') != std::string::npos ||
        std::find(with_passwords.begin(), with_passwords.end(), name) != with_passwords.end())
        host.why_not = "it needs a password";
    else if (host.authority != authority)
        host.why_not = "its sources name several ports";
    else if (!std::all_of(place.suites.begin(), place.suites.end(), is_served_too))
        host.why_not = "the node " + node + " does not serve " + place.uri;
}

std::string line(std::string_view whose, std::string_view uri)
{
    return fmt::format("Acquire::Snapshots::URI::{} \"{}\";\n", whose, uri);
}

}  // namespace

std::string snapshot_conf_text(const std::filesystem::path& root, const std::string& node,
                               std::vector<std::string>& notes)
{
    std::string text =
        "// For an apt that knows snapshots (apt -S MOMENT): asked through the node as well.\n";
    for (const Service& service : kServices)
        text += line(service.whose, service.uri);
    std::map<std::string, Host> hosts;
    const std::vector<std::string> with_passwords = hosts_with_passwords(root);
    for (const std::string& file : node.empty() ? std::vector<std::string>() : source_files(root)) {
        const auto format =
            file.ends_with(".sources") ? deb::SourcesFormat::deb822 : deb::SourcesFormat::one_line;
        const std::string sources =
            read_file(node::below(root, file), kMaxSourceBytes).value_or("");
        for (const deb::UriPlace& place : deb::find_source_uris(sources, format))
            look_at(node, place, with_passwords, hosts);
    }
    for (const auto& [name, host] : hosts) {
        // A source below the node's own address names its archive by itself.
        const bool is_node =
            kScheme.size() + host.authority.size() == node.size() && node.ends_with(host.authority);
        if (host.why_not.empty())
            text += line("Host::" + name, fmt::format("{}/snapshot/@SNAPSHOTID@/{}@PATH@/", node,
                                                      is_node ? "" : host.authority + "/"));
        else
            notes.push_back(fmt::format("{} has no snapshots for apt: {}", name, host.why_not));
    }
    if (node.empty())
        notes.push_back(
            "which snapshots a node has was not found out, because none answers: run "
            "setup again when one does");
    return text;
}

}  // namespace aptward::cli
