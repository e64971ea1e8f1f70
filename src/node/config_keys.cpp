// SPDX-License-Identifier: GPL-3.0-or-later
// The one table of settings: `aptward config keys`, the man page and the checks come from it.
#include "node/config.h"

#include <fmt/format.h>

namespace aptward::node {

namespace {

const std::string& auxiliary_text()
{
    static const std::string kText =
        fmt::format("[\"{}\"]", fmt::join(archive::standard_auxiliary(), "\", \""));
    return kText;
}

}  // namespace

const std::vector<ConfigKey>& config_keys()
{
    static const std::vector<ConfigKey> kKeys = {
        {"", "profile", "full or light", "\"full\"",
         "light: a machine that serves only itself and gives to nodes of its local networks what "
         "it "
         "has, apt's own files first (aptward client setup --peer). Then clients, peers-may-ask, "
         "listen, state, admin, loops, quota, unknown-hosts, apt-archives, apt-lists, "
         "machine-reports, stock-budget, deliveries-kept and scrub-every have other defaults."},
        {"", "state", "path", "\"/var/lib/aptward\"", "Folder of everything the node keeps."},
        {"", "listen", "list of addresses", "[\"127.0.0.1:3142\"]",
         "Where clients come in: \"ADDRESS:PORT\" or \"[V6]:PORT\". Empty by default when a "
         "[[listener]] serves the archives."},
        {"", "admin", "address", "\"unix:/run/aptward/admin\"",
         "Metrics, status and API: \"unix:PATH\" or \"127.0.0.1:PORT\" (then read-only)."},
        {"", "admin-users", "list of user names", "[]",
         "Users who may change things over the admin socket, besides root and the node's own."},
        {"", "clients", "list of networks", "[]",
         "Who may ask, as addresses or networks; empty means everybody who can connect."},
        {"", "connect", "true or false", "true",
         "Whether CONNECT tunnels (https sources through http::Proxy) are allowed."},
        {"", "connect-hosts", "list of host:port", "[]",
         "CONNECT targets allowed beyond port 443 of public addresses."},
        {"", "unknown-hosts", "refuse, pass or observe-setup", "\"refuse\"",
         "Proxy requests for hosts that no archive claims: refused with the lines to add; passed "
         "through unproven and uncached; or passed for the first week only, while aptward config "
         "suggest collects the stanzas."},
        {"", "proxy", "URL", "\"\"", "Outgoing proxy for all upstream traffic."},
        {"", "loops", "number", "0", "Threads that serve clients; 0 means one per core."},
        {"", "deliveries-kept", "duration", "\"400d\"",
         "How long it is remembered who got what (aptward deliveries); 0 records nothing."},
        {"", "scrub-every", "duration", "\"30d\"",
         "How often everything held is checked against its hash; 0 never by itself."},
        {"", "scrub-rate", "bytes per second", "\"20M\"",
         "How fast that reads the disk; 0 means as fast as it gives."},
        {"", "quota", "bytes", "\"0\"",
         "How much is held at most, such as \"200G\"; 0 means as much as comes. Near it, what "
         "nobody needs goes first, then what only earlier releases need (aptward gc --dry-run). "
         "What has to stay may be more: aptward doctor says so."},
        {"", "hot-for", "duration", "\"14d\"",
         "Packages that are served now stay for so long after their last use, whatever the quota."},
        {"", "stock-wait", "duration", "\"10m\"",
         "How long a new release waits until what clients will want of it is fetched; security "
         "suites never wait. 0: none does."},
        {"", "stock-budget", "bytes", "\"5G\"",
         "How much is fetched ahead at a time at most; the rest comes after a pause of nine times "
         "as "
         "long. 0 fetches nothing that nobody asks for."},
        {"", "stock-rate", "bytes per second", "\"0\"",
         "How fast that goes, all of it together and on average; 0 means as fast as it comes."},
        {"", "machine-reports", "clients or operators", "\"clients\"",
         "Who may say what a machine has installed (aptward client report): whoever may fetch, or "
         "operators only."},
        {"", "peers-may-ask", "clients, local or nobody", "\"clients\"",
         "Which other nodes are told what is held here and given it: whoever may fetch; besides, "
         "whoever is at a private address; or none. "
         "What a private archive holds is given to none."},
        {"", "apt-archives", "path", "\"\"",
         "apt's folder of packages on this machine, such as /var/cache/apt/archives: what an "
         "archive "
         "without a password lists is given from there, hashed again on its way. Empty: none."},
        {"", "apt-lists", "path", "\"\"", "The same for apt's lists, such as /var/lib/apt/lists."},
        {"", "shared-hosts", "list of hosts", "[]",
         "With the light profile: the hosts, with their ports if any are written, of those of the "
         "machine's sources "
         "that need no password. What is of others is neither served nor given."},
        {"", "discovery", "local or off", "\"local\"",
         "Whether this node looks for other nodes on the local network (mDNS, by the machine's "
         "avahi-daemon) and asks them as near peers, and announces itself there if clients reach "
         "it from other machines; also as a proxy for apt."},
        {"", "peer-rate", "bytes per second", "\"0\"",
         "What each address that asks as a node is given at most, over ten seconds; 0 means no "
         "limit."},
        {"", "peer-quiet", "list of hours", "",
         "When nodes at public addresses are given no files, by local time: \"22:00-06:00\". They "
         "are told of releases all the same; those at private addresses are given files at any "
         "hour."},
        {"", "log-level", "debug, info, warning or error", "\"info\"", "The least that is logged."},
        {"", "log-format", "text or json", "\"text\"", "How log lines look."},
        {"ring", "name", "text", "", "What reports call this ring."},
        {"ring", "clients", "list of networks", "",
         "Whose ring this is, as addresses or networks; who is in several is in the first."},
        {"ring", "after", "duration", "",
         "How long a release has run in the ring above, or for everybody else, before it comes "
         "here."},
        {"ring", "security-at-once", "true or false", "true",
         "Whether suites with \"security\" in their names come here without waiting."},
        {"stock-list", "name", "text", "", "What aptward stock calls this list."},
        {"stock-list", "packages", "list of packages", "",
         "What is held, with all that apt would fetch for it; [\"*\"]: all that the sources list."},
        {"stock-list", "machine", "text", "\"\"",
         "On which machine that has reported; without one on a machine where nothing is "
         "installed."},
        {"stock-list", "suites", "list of archive/suite", "", "What that one has for sources.",
         "(required unless machine)"},
        {"stock-list", "architecture", "name", "\"\"",
         "Its architecture then; empty means that of the node's machine."},
        {"peer", "url", "URL", "",
         "Another node, where it answers clients: asked for what is not held here, before or after "
         "the upstreams, as it was measured. Without one it is found in the DHT, by its identity.",
         "(required unless identity, with a [[swarm]])"},
        {"peer", "identity", "identity", "\"\"",
         "The only key that this peer may have, as aptward peer list shows it there; empty means "
         "whoever answers. Bytes are proven either way."},
        {"peer", "ca", "path", "\"\"",
         "File of the only certificate authorities that an https peer may show; empty means the "
         "system's."},
        {"peer", "distance", "measured, near or far", "\"measured\"",
         "Whether it is on this side of the line to the internet. Near ones are asked first, and "
         "what none of them holds is fetched by one of them for all; measured: those that answered "
         "within 5 ms once."},
        {"blob-service", "url", "URL", "",
         "An S3-compatible service in which several nodes keep files together: asked before the "
         "internet, and given what was fetched. What a private archive holds never goes there."},
        {"blob-service", "bucket", "name", "", "The bucket; it has to be there."},
        {"blob-service", "prefix", "text", "\"\"",
         "What the names of all objects begin with, such as \"aptward/\"."},
        {"blob-service", "region", "name", "\"us-east-1\"",
         "The region that requests are signed for."},
        {"blob-service", "credentials-file", "path", "",
         "File of mode 0600 with the access key on its first line and the secret key on the "
         "second."},
        {"blob-service", "ca", "path", "\"\"",
         "File of the only certificate authorities that an https service may show; empty means "
         "the system's."},
        {"blob-service", "upload", "true or false", "true",
         "Whether this node uploads what it fetched, or only asks for what others have uploaded."},
        {"blob-service", "upload-rate", "bytes per second", "\"0\"",
         "How fast it uploads at most; 0 means as fast as the service takes it."},
        {"blob-service", "delete-after", "duration", "\"0\"",
         "What no node with a lease in the bucket has needed for so long is deleted there; 0 means "
         "that nothing is listed or deleted. All nodes of the bucket have to write leases."},
        {"blob-service", "delete-dry-run", "true or false", "false",
         "Whether it is only told what would be deleted."},
        {"swarm", "net", "internet or closed", "\"internet\"",
         "In which DHT other nodes are found, beyond the local network: that of BitTorrent, or one "
         "of your own nodes alone, with private addresses. Without a [[swarm]] there is none."},
        {"swarm", "port", "1 to 65535", "6881",
         "The UDP port that nodes of the DHT reach; open it where a firewall stands before this "
         "machine."},
        {"swarm", "bootstrap", "list of host:port", "[]",
         "Nodes of the DHT to begin with. Empty means those that are run for everybody, and in a "
         "closed net that this is the first one."},
        {"swarm", "addresses", "list of addresses", "[]",
         "Where other nodes reach this one's clients' port, at most 3 \"ADDRESS:PORT\"; empty "
         "means as they see it."},
        {"swarm", "program", "path", "\"\"",
         "The program aptward-swarm; empty means where its package puts it."},
        {"listener", "address", "address", "",
         "Where it listens: \"ADDRESS:PORT\", \"[V6]:PORT\" or \"unix:PATH\"."},
        {"listener", "serves", "list of archive, admin", "[\"archive\"]",
         "What is reached there: the archives for clients, the admin API, or both."},
        {"listener", "certificates", "list of paths", "[]",
         "PEM files of certificate chains; any makes it a TLS listener. Which one answers is "
         "chosen by the name the client asks for; the first is for all other names."},
        {"listener", "keys", "list of paths", "[]",
         "Their private keys, in the same order; empty when each is in its certificate's file."},
        {"listener", "authentication", "none, token, mtls or peer", "\"none\"",
         "How clients show who they are: a token, a client certificate, or (Unix sockets only) "
         "their user."},
        {"listener", "client-ca", "path", "\"\"",
         "PEM file of the authority that signed the clients' certificates, for mtls."},
        {"listener", "tokens", "path", "\"\"",
         "File with lines \"ROLE NAME SHA256\" (made by `aptward token`) and, for mtls, \"ROLE "
         "NAME cert\"."},
        {"listener", "role", "viewer, operator or admin", "\"viewer\"",
         "Role of whoever nothing more is known about; with authentication = \"token\" there is "
         "no default: without a token nothing is answered."},
        {"archive", "id", "name", "", "Name of the archive: its mapped prefix is /ID/."},
        {"archive", "keyrings", "list of paths", "",
         "Keyring files (.gpg, .asc) whose keys may sign this archive.",
         "(required unless verify = \"unverified\")"},
        {"archive", "upstreams", "list of URLs", "",
         "Equal sources of bytes; which is best is learned.", "(required unless upstream-lists)"},
        {"archive", "upstream-lists", "list of paths", "[]",
         "Files with one upstream URL a line (mirrors.txt, apt's mirror+file lists)."},
        {"archive", "snapshots", "list of URLs", "[]",
         "Snapshot hosts of the vendor, with @SNAPSHOTID@ where the moment stands: asked for "
         "moments "
         "before this node's first release, and for files of the past that no upstream has. "
         "What they show is proven like all else."},
        {"archive", "hosts", "list of host/path", "[]",
         "Proxy requests for these prefixes mean this archive, besides the upstreams' own. One * "
         "stands for any part of a host. Of Debian's and Ubuntu's archives the country and cloud "
         "mirrors are known."},
        {"archive", "suites", "list of suites", "[]",
         "The only suites served; empty means whatever clients ask for."},
        {"archive", "components", "list", "[]", "Components fetched ahead for the listed suites."},
        {"archive", "architectures", "list", "[]",
         "Architectures fetched ahead for the listed suites."},
        {"archive", "freshness", "duration", "\"5m\"",
         "How long a checked InRelease is served without asking again; 0s asks every time."},
        {"archive", "security-freshness", "duration", "\"60s\"",
         "The same for suites with \"security\" in their name."},
        {"archive", "optional-wait", "duration", "\"10m\"",
         "How long a new release is held back for a listed file that names no packages "
         "(translations, Contents) and that sources refuse to give; then it is served without."},
        {"archive", "verify", "enforce, observe or unverified", "\"enforce\"",
         "enforce serves only what is proven; observe records verdicts and refuses nothing; "
         "unverified needs no keyring and is named in every report."},
        {"archive", "signed-by", "list of fingerprints", "[]",
         "Primary keys (40 hex digits; FPR! for exactly that key) that count; empty means all of "
         "the keyrings."},
        {"archive", "threshold", "number", "1", "Different primary keys that must have signed."},
        {"archive", "suite-aliases", "list", "[]",
         "Further names that a release may carry as its Suite or Codename."},
        {"archive", "auxiliary", "list of patterns", auxiliary_text().c_str(),
         "Files that no index names and that pass unproven, uncached and marked so: \"*\" is "
         "anything but \"/\", a final \"/\" everything below."},
        {"archive", "user", "name", "\"\"", "User for upstreams that want credentials."},
        {"archive", "password-file", "path", "\"\"", "File whose first line is the password."},
        {"archive", "private", "true or false", "false",
         "Serve only clients whose own credentials the first upstream accepts (ESM, private PPAs); "
         "they are used at that upstream and nowhere else."},
        {"archive", "credentials-kept", "duration", "\"1h\"",
         "How long a private archive's client is served without asking the upstream again."},
        {"archive", "credentials-kept-in-outage", "duration", "\"7d\"",
         "The same while the upstream does not answer."},
        {"archive", "proxy", "URL", "\"\"", "Outgoing proxy for this archive's upstreams."},
        {"archive", "ca", "path", "\"\"",
         "File of the only certificate authorities that https upstreams may show; empty means the "
         "system's."},
    };
    return kKeys;
}

}  // namespace aptward::node
