// SPDX-License-Identifier: GPL-3.0-or-later
// What the manual says of the configuration beyond the table of keys, and the values in its
// example.
#include "cli/manual.h"

namespace aptward::cli {

const std::vector<ManualSection>& configuration_sections()
{
    static const std::vector<ManualSection> kSections = {
        {"DESCRIPTION", R"(A node is configured by one file in TOML, /etc/aptward/aptward.toml
unless --config names another. Every key has a default. Without the file, or without any
[[archive]] in it, the node serves the archives in the machine's own apt sources with the keyrings
that are named there.

Mistakes are reported all at once, each with file, line and what is accepted, and a file with
mistakes is never used: the node does not start, or a running one keeps its configuration.

Durations are written as "60s", "5m", "6h" or "2d".)"},
        {"EXAMPLE", R"(A node for a network, with two sources for one archive:

    listen = ["0.0.0.0:3142"]
    clients = ["192.0.2.0/24"]

    [[archive]]
    id = "debian"
    keyrings = ["/usr/share/keyrings/debian-archive-keyring.gpg"]
    upstreams = ["http://deb.debian.org/debian", "http://mirror.example/debian"]

    [[archive]]
    id = "debian-security"
    keyrings = ["/usr/share/keyrings/debian-archive-keyring.gpg"]
    upstreams = ["http://security.debian.org/debian-security"])"},
    };
    return kSections;
}

const std::vector<KeyExample>& key_examples()
{
    static const std::vector<KeyExample> kExamples = {
        {"", "listen", R"(["0.0.0.0:3142", "[::]:3142"])"},
        {"", "apt-archives", R"("/var/cache/apt/archives")"},
        {"", "apt-lists", R"("/var/lib/apt/lists")"},
        {"", "shared-hosts", R"(["deb.debian.org", "packages.example:8080"])"},
        {"", "admin-users", R"(["operator"])"},
        {"", "clients", R"(["192.0.2.0/24", "2001:db8::/32"])"},
        {"", "connect-hosts", R"(["packages.example:8443"])"},
        {"", "proxy", R"("http://proxy.example:3128")"},
        {"", "peer-quiet", R"(["22:00-06:00"])"},
        {"", "unknown-hosts", R"("observe-setup")"},
        {"listener", "address", R"("0.0.0.0:3145")"},
        {"listener", "certificates", R"(["/etc/aptward/node.example.pem"])"},
        {"listener", "tokens", R"("/etc/aptward/tokens")"},
        {"stock-list", "name", R"("web-servers")"},
        {"stock-list", "packages", R"(["nginx", "php-fpm"])"},
        {"stock-list", "suites", R"(["debian/bookworm", "debian-security/bookworm-security"])"},
        {"ring", "name", R"("late")"},
        {"ring", "clients", R"(["10.2.0.0/16"])"},
        {"ring", "after", R"("24h")"},
        {"peer", "url", R"("http://b.example:3142")"},
        {"peer", "distance", R"("near")"},
        {"blob-service", "url", R"("https://s3.example:9000")"},
        {"blob-service", "bucket", R"("aptward")"},
        {"blob-service", "credentials-file", R"("/etc/aptward/blob-service")"},
        {"blob-service", "delete-after", R"("30d")"},
        {"swarm", "net", R"("internet")"},
        {"swarm", "addresses", R"(["203.0.113.7:3142"])"},
        {"archive", "id", R"("debian")"},
        {"archive", "keyrings", R"(["/usr/share/keyrings/debian-archive-keyring.gpg"])"},
        {"archive", "upstreams",
         R"(["http://deb.debian.org/debian", "http://mirror.example/debian"])"},
        {"archive", "upstream-lists", R"(["/etc/aptward/mirrors.txt"])"},
        {"archive", "hosts", R"(["ftp.debian.org/debian"])"},
        {"archive", "suites", R"(["bookworm", "bookworm-updates"])"},
        {"archive", "components", R"(["main"])"},
        {"archive", "architectures", R"(["amd64", "arm64"])"},
        {"archive", "signed-by", R"(["0123456789ABCDEF0123456789ABCDEF01234567"])"},
        {"archive", "suite-aliases", R"(["stable"])"},
        {"archive", "user", R"("customer")"},
        {"archive", "password-file", R"("/etc/aptward/password")"},
        {"archive", "proxy", R"("http://proxy.example:3128")"},
    };
    return kExamples;
}

}  // namespace aptward::cli
