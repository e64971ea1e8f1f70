// SPDX-License-Identifier: GPL-3.0-or-later
// The words of the manual that no option and no key can say. Everything else on the pages comes
// from the command line and from config_keys().
#include "cli/manual.h"

namespace aptward::cli {

const std::vector<CommandProse>& command_prose()
{
    static const std::vector<CommandProse> kProse = {
        {"", R"(Aptward stands between apt and its mirrors. It keeps every machine installing and
updating while mirrors stall, fail or lie, and it never hands on what the archive's keys do not
prove: a release reaches a client only when its signature, its dates and all of its indexes are
right, and a package only when its hash is.

Without any configuration it serves the archives in this machine's own apt sources with the
keyrings that are named there. A client uses it as a proxy, with no change to its sources:

    Acquire::http::Proxy "http://node.example:3142";

or by its mapped paths, http://node.example:3142/ARCHIVE/.)",
         ""},
        {"serve",
         R"(Runs the node in the foreground until SIGTERM. It reads the configuration, takes the
sockets that a service manager hands over or else listens on its own addresses, restores what is
held, and asks for the newest releases. When it runs on a terminal it ends its start with a table
of what is served and the line for apt.

With --bundle the node checks a bundle and takes its releases and indexes in before it says that it is
ready, and ends with status 1 when the bundle or a release in it is not accepted; see
aptward-bundle(1). Packages stay in the file: each is read from there when somebody asks for it, hashed,
and held from then on.

Sockets handed over by systemd (LISTEN_FDS) replace the addresses of the key "listen"; readiness
and reloads are reported to NOTIFY_SOCKET.)",
         R"(Try the node beside everything else, with its state in a folder of its own:

    aptward serve --state /tmp/aptward --listen 127.0.0.1:3150 --admin unix:/tmp/aptward.admin)"},
        {"status",
         R"(Asks the running node what it serves: each archive and suite with the generation in
use, who signed it and how old it is, and each source with its health. Colours are used on a
terminal only.)",
         R"(The health of every source, for a script:

    aptward status --json | jq '.archives[].sources')"},
        {"events",
         R"(Lists what happened to the archives and their sources: new generations, refusals with
their reason, sources that failed and came back. Events are numbered and carry stable codes; the
numbers survive restarts.)",
         R"(Only what is new since event 120:

    aptward events --after 120)"},
        {"doctor",
         R"(Says in one sentence for each archive what works, what does not, why, and what to do
about it. The exit status is 1 when something needs attention.)",
         ""},
        {"approve",
         R"(Accepts one release that the policy refused and that an operator has looked at, such as
the first one signed by a new key. It holds for that release only. Over the admin socket this is
allowed to root, to the node's own user and to the users of the key "admin-users".)",
         R"(Find the refused release and accept it:

    aptward events --json
    aptward approve debian bookworm RELEASE)"},
        {"scrub",
         R"(Reads everything that is held and compares it with its hash. Damaged files are set
aside and, by a running node, fetched again at once from whichever source has them; the signed files of
what is served are written again from memory. Then the node gets what is missing: what was set aside
before and did not come again, indexes of what is served, and what clients got within "hot-for" and a
release that is served, pinned, named or frozen to names; of what nobody has taken since a pin was
made it is not known that it was held. What no source gives is named, "aptward doctor" tells of it,
and the node tries again by itself every quarter of an hour. With a node this is a job of that node,
which goes on when this command is interrupted; without one, the command works on the state folder
itself, and says so when there is none. A node scrubs by itself as "scrub-every" says; this command
does it now, with --now or without. The exit status is 1 when something was damaged, or is missing
and could not be fetched.)",
         R"(After a disk has shown errors:

    aptward scrub --now)"},
        {"snapshot",
         R"(Every state that was ever served stays reachable while its files are held, below
/snapshot/MOMENT/ARCHIVE/ and by the names of the vendors' own snapshot services
(snapshot.ubuntu.com/ubuntu/MOMENT/, snapshot.debian.org/archive/debian/MOMENT/) when clients use
the node as their proxy. A moment means the releases that the vendor had then, by their dates, in
all suites of an archive. A pinned or named moment keeps what it needs on this disk; pinning fetches
nothing, and says how much is held, and when the quota cannot hold with it. A name keeps its moment until it is dropped.

"snapshot diff" compares the packages of the indexes that are held of both moments, and names the
others.)",
         R"(Keep the state of now before a risky upgrade, and use it:

    aptward snapshot name debian 0s before-upgrade
    deb http://node.example:3142/snapshot/before-upgrade/debian bookworm main)"},
        {"freeze",
         R"(Gives all clients of an archive the state of a moment until "aptward thaw", for the hour in
which nobody knows whether what is new can be trusted. Every answer says so in the header
Aptward-Frozen. What only later releases name is refused.

apt keeps a newer list that it already has and says nothing. "aptward status" names the clients
that are known to hold newer lists; on those, remove what is in /var/lib/apt/lists and update, and
packages that are newer than the frozen state stay installed until they are downgraded by version.)",
         R"(Back to the state of this morning, and to that of now again:

    aptward freeze debian --at 2026-04-30T08:00:00Z
    aptward thaw debian

Back to what was named before an upgrade:

    aptward freeze debian --at before-upgrade)"},
        {"thaw",
         R"(Ends what "aptward freeze" began: from now on clients get what is current again, at once;
it was fetched and judged meanwhile.)",
         R"(After the all-clear:

    aptward thaw debian)"},
        {"mirror",
         R"(Fetches everything of some suites that is not held yet, or the part that is chosen by
component, architecture, section or package, as a job of the running node. Each file is proven as for
a client. The indexes count as used from then on, so that later releases are shown with them only; a
reader sees whole releases at any time.

Without suites it takes those of the configuration and those that clients use; without components and
architectures those that the configuration names for a suite, else all that its release lists. With
--packages or --list it takes these packages and all that they depend on and recommend, in every
version that is listed. Nothing is fetched twice: the same command later fetches what is new, and a
job that a restart has cut goes on by itself. The exit status is 1 when a file could not be had: the
first is named, the others stand in "aptward jobs show --json", and all that came is held. It is 1 as
well when the sources of a suite were all down or showed only what is refused: then the release that
was held before is completed, and since when it is and why no other came is told. With --export nothing
begins while the archive is frozen, unless --despite-freeze is given, and a job that fails exports
nothing.)",
         R"(All of two suites for two architectures, at most 20 MB a second:

    aptward mirror debian bookworm bookworm-updates --architectures amd64,arm64 --rate 20M

Some packages with all that they need, and their sources:

    aptward mirror debian bookworm --packages nginx,postgresql --sources

All of a suite, and then as a folder for another web server:

    aptward mirror debian bookworm --export /srv/mirror/debian)"},
        {"export",
         R"(Writes what is held of an archive, all or the chosen part, as a plain folder with dists/ and
pool/ that any web server can serve. Bytes are shared with the node's store where the file system can
(reflinks, else hard links), else copied. Each suite is exchanged at once, and what the generation
before needs stays until the next export: clients that read it meanwhile see whole releases.

It reads the state folder, with a running node or without one: run it as root or as the node's user.
The folder is empty, or has an earlier export of the same archive. An archive that is frozen
("aptward freeze") is refused, because what is current may be newer than what clients are to have;
--despite-freeze exports it. The exit status is 1 then, and when something was chosen that is not
held; the rest is there.)",
         R"(What is held of one suite:

    aptward export debian bookworm --to /srv/mirror/debian)"},
        {"gc",
         R"(Looks at everything that is held and lets go what the quota does not allow: first what no
release names, then what only earlier releases name, then what is served but was not used within
"hot-for"; of each what was used longest ago. Indexes of what is served, what pins, names and freezes
need, and what was used within the hour stay. A node with a "quota" does this by itself. What went
can be had again from a source. The exit status is 1 when what has to stay is more than that; where
indexes, pins, names and freezes are more than that by themselves, nothing goes. "aptward status"
says how much of the quota is held, "aptward doctor" what to do when it cannot hold.)",
         R"(What would go, and why:

    aptward gc --dry-run

Down to 50 GB, once, without a quota:

    aptward gc --to 50G)"},
        {"stock",
         R"(For each machine that has reported ("aptward client report") and each [[stock-list]] of the
configuration: how much is held of what apt would fetch for it. A machine wants what it has installed,
in these versions, and its upgrades; a list its packages with what they need, or with "*" all that its
suites have. apt's own library decides
what that is, with the machine's pins, settings and machine-id. Updates that their vendor gives to a
share of machines only, and to this one not yet, are named.

With --packages it says of each whether "apt-get install" would get all it needs, there, if every source
died now. The exit status is 0 when all of it is held, 1 when something is missing, 2 when the command or
the configuration is wrong or no such machine or list is known, and 3 when it could not be told.

The node fetches what is missing by itself: a new release waits for it, "stock-wait" at most, and after
security updates and reports it comes at once, "stock-budget" at a time. "stock fetch" does it now.)",
         R"(What would install on web1, and what would not:

    aptward stock --machine web1 --packages nginx,vim,postgresql)"},
        {"drill",
         R"(For a while the sources of an archive behave as in an outage: the one that is asked first
refuses connections, stays silent, trickles a byte a second or changes what it sends, or all of them
are gone. A real apt without any lists then updates through the node and downloads packages that the
node holds; where other sources are left, or other nodes or a blob service, also one that it does not hold.
It says how many transfers from the sources met the fault: with none, that clients got everything proves nothing about it. With --source
these sources are disturbed instead of the first.

The node's state does not change by it. What it knows of its sources is put aside and is there again
afterwards, also when the node or this command is killed: the node ends every scenario by itself
after --seconds. No byte that a drill has changed is kept or delivered. What was fetched is proven and
stays. While it runs real clients meet the same outage, and "aptward status", "aptward doctor" and the
events (drill.started, drill.ended) say so. One drill runs at a time.

At the end it names the packages that clients took in the last 30 days and that are not held in their
newest version: with every source gone these clients would get them from other nodes or not at all.

Other nodes and a blob service go on giving, as they would in the outage. With --alone nothing is asked of them
either for the length of the drill: what the node has without anybody.

With --trace it replays a recorded outage instead, silence and service by turns, and counts what fresh
clients got in each. The exit status is 0 when all that is held could be had in every silence, and
whatever other sources have in the other scenarios; 1 when something could not; 3 when no node answers
or the drill was interrupted.)",
         R"(Every scenario:

    aptward drill debian

What if everybody is gone:

    aptward drill debian --scenario all-gone --packages 0

The outage of April 2026 in two minutes:

    aptward drill ubuntu --trace 2026-04-30.json)"},
        {"peer",
         R"(Other nodes that this one asks for files that it does not hold: each has a [[peer]] in
aptward.toml(5), or was added with "peer add", which the node remembers, or announces itself on the
local network, where avahi-daemon finds it ("discovery" in aptward.toml(5)), or was found in the DHT, with a [[swarm]] there: "peer list" says which. What they give is proven by its digest; what they lack says nothing. They are asked
before or after the upstreams, by what was measured; large files only after much that was right.
Nothing of a private archive is asked for or given. A newer release that a peer has is judged here as one
that a source shows, and published when the policy accepts it.

The state is "linked"; "untried" at the beginning; "unreachable"; "no-node" where something else
answers; "incompatible" for a node of another version; "mismatch" when it is not the identity that
the configuration names; "self", "cloned" for this node and for a copy of its state folder;
"duplicate" for a second URL that leads to the same key. Those that are linked, untried or duplicate are
asked for files and releases. Nodes look at each other every 30 seconds, and "ping" does it now. One that was found is
asked for files when it is linked, not before, and is forgotten when it does not answer three times.

The exit status is 0 when all are linked, but for found ones that went away, 1 when one is not or an order was refused, 2 when the command
is wrong or asks about a peer that this node does not have, and 3 when no node answers.)",
         R"(Whether the other nodes answer:

    aptward peer ping

One more:

    aptward peer add http://b.example:3142)"},
        {"swarm",
         R"(What many want at once is carried by BitTorrent, version 2: an image, a large package, or what is
held of a suite. "swarm publish" makes the torrent of what this node holds, as a job that reads it once
and copies nothing, and prints its magnet link. The torrent follows from the files alone, so every node
that holds the same makes the same one, with the same link. This node then gives it at
http://NODE/.well-known/aptward/v1/swarm/INFOHASH.torrent, and its files as a web seed (BEP 19) below
http://NODE/.well-known/aptward/v1/swarm/INFOHASH/, to whoever may ask it as another node; its peers are
told of it in a signed note. Of a private archive, or one that is not verify = "enforce", nothing is
published, and what no index of a current release lists any more is not given.

PATH is a file as an index lists it. Of a suite it is all that is held of its current release, the
largest files first, at most 4096 files and 256 GiB. A node has at most 64 torrents, over restarts, until
"swarm stop".

The exit status is 0 when it is done, 1 when it is not, 2 when the command is wrong, and 3 when no node
answers or it was stopped.)",
         R"(An image for many machines:

    aptward swarm publish ubuntu pool/main/i/image/image_1.0_amd64.deb

All that is held of a suite:

    aptward swarm publish ubuntu --suite noble)"},
        {"bundle",
         R"(Carries what the node holds of an archive to where no network leads, in one file: the
releases that are served now, their indexes, and all packages that are held; or a few of them with
what they need on a machine where nothing is installed; or what machines that have reported
(aptward-client(1)) have and would upgrade to. What that is, apt's own solver says. What is wanted
and not held, or installed and in no index any more, is named, and nothing is written unless
--allow-missing is given: then the bundle names it. Nor is it while an archive is frozen ("aptward freeze"),
because what is current may be newer than what clients are to have; --despite-freeze takes it.

A bundle is believed by nobody: what it carries is proven by the archive's own signatures. It is
signed with the node's key, so that whoever gets it can see that it is whole, and from whom. It is a
tar packed by zstd, which any machine can open.

Importing is a job of the running node, which has to be allowed to read the file. The bundle is checked
whole first; then each release is judged as if a mirror had shown it, and what no accepted release
names is left out. A release that is older than the one in use is no error: what has not changed since
is of use.

A machine without a node applies a bundle: a node of its own serves it for as long as a command runs,
in a folder below TMPDIR or /var/tmp that is removed afterwards, and apt is led to it. apt-get update
runs first. The archives and keys are those of the machine's own apt sources, or of --config; without a
configuration it does not matter what the node that made the bundle calls an archive: the suite in the
sources, and their keys, say which is meant. What the
bundle lacks is taken from the archives where they answer.

The exit status is 1 when a bundle is not whole, from the future, or signed by another key than asked
for, or when something is missing, and then nothing was changed or written; also when a release of an
imported bundle was refused, which brings nothing of it.)",
         R"(All of two suites that the node holds, for a stick that takes no large files:

    aptward bundle create debian bookworm bookworm-security --output /media/stick/debian.bundle --split 4G

What a machine that has reported has and would upgrade to, from all archives that it uses:

    aptward bundle create --machine web1 --output machine.bundle

The packages of a machine that has not, in their newest versions:

    dpkg --get-selections > selections
    aptward bundle create debian --list selections --no-recommends --output machine.bundle

What is in it, and whether it is whole:

    aptward bundle inspect machine.bundle

At the other end:

    aptward bundle import /media/stick/debian.bundle

At the other end, without a node:

    aptward bundle apply /media/stick/debian.bundle -- apt-get upgrade)"},
        {"verify",
         R"(Says of each file whether a release that is held, signed by keys that count, names exactly
these bytes, and by which index: a package, a source, an index, or a Release itself. For a file that
is not proven it says what is known of it: refused, of another release, or unknown here. It asks the
running node, and reads the state folder where none runs.)",
         R"(Two packages from somewhere:

    aptward verify ./hello_2.10-3_amd64.deb ./hello_2.10-3.dsc

An InRelease of which it is not known what archive it belongs to:

    aptward verify --archive debian InRelease)"},
        {"keys",
         R"(Lists the keys that count for each archive, those that turned up since and are proposed,
those that were revoked, and signers of what is served that no keyring holds any more. A key that
comes with a new keyring counts for nothing until it is approved.

A revoked key counts for nothing, whatever keyring or configuration names it. Releases whose other
signers do not suffice are not served any more (503 keys.revoked) until one that counted keys signed
takes their place. An approval takes a revocation back.)",
         R"(A new key, compared with what the vendor announced:

    aptward keys
    aptward keys approve debian 4CB50190207B4758A3F73A796ED0E7B82643E131

A stolen one:

    aptward keys revoke debian 4CB50190207B4758A3F73A796ED0E7B82643E131)"},
        {"deliveries",
         R"(Shows which client got which bytes, when, and from where: the answer to "who has this
package?" after bad news. It reads the record in the state folder, so it works with the node down.)",
         R"(Who got this file in the last week, wherever it lay:

    aptward deliveries --path openssl_3.0.11-1_amd64.deb --since 7d

Who got these bytes, as JSON:

    aptward deliveries --digest 5994471abb01112afcc18159f6cc74b4 --json)"},
        {"jobs",
         R"(Lists the long work of the running node with its progress, what it found, and who asked
for it; a job can be cancelled. What is resumable goes on after a restart.)",
         R"(What runs, and an end to it:

    aptward jobs
    aptward jobs cancel 7)"},
        {"token",
         R"(Makes a token for a listener with authentication = "token" or "mtls". The token is printed
once and kept nowhere; the line for the file that the key "tokens" names holds its hash only. A
client shows it as a password of any user, in auth.conf or, where the node is its proxy, in the
proxy's URL.)",
         R"(One for a monitoring system that reads:

    aptward token prometheus --role viewer)"},
        {"client",
         R"(Makes apt on this machine use nodes without depending on them: apt asks a small program
which node answers, and goes directly to the archives where none does. Everything that is changed can
be taken back byte for byte.

With --peer this machine becomes a small peer: a service of its own gives other nodes of the local
networks what apt keeps here, as far as archives without a password list it, and gets theirs for this
machine's apt. Run it as root, and again after a change of the sources: it notes which of their hosts
need no password, and nothing of others is shared.

"client report" sends a node which packages this machine has, its sources, pins, the settings that decide
what apt installs, and its machine-id, so that the node holds what it will want. Nothing else is read, and
--print shows all of it.)",
         R"(See what would change, change it, look, and take it back:

    aptward client setup --node http://node.example:3142 --dry-run
    aptward client setup --node http://node.example:3142
    aptward client status
    aptward client undo

Make a machine without a node a small peer:

    aptward client setup --peer

Report after every change, by /etc/apt/apt.conf.d/90aptward-report:

    DPkg::Post-Invoke { "aptward client report || true"; };)"},
        {"import",
         R"(Takes over from another program: its rules, or the files that it has gathered.

apt-cacher-ng: translates its rules into a configuration for a node beside it, on the next port. What
has no known keyring is commented out, and what cannot be translated is listed. Nothing of
apt-cacher-ng is changed.

stock: has the running node hash the files of a folder and keep those that a release names: one that it
serves, or one that lies in the folder and that the archive's policy accepts as if a mirror had shown
it. Names mean nothing, so it may be the cache of apt-cacher-ng, a mirror made by apt-mirror or
debmirror, what aptly keeps, /var/cache/apt/archives or any other folder; no network is needed. What no
release names is counted and stays outside. The node reads the folder, so its user has to be allowed to;
its service sees nothing below /home. Files are copied, and the folder is not changed. Symbolic links
in it are not followed. Which archive a release is for is told by the hosts in its path, else by the
keys; where two archives would take it, --archive says it.

The exit status of stock is 1 when nothing of the folder was of use, or a release of it waits for an
index that is not there.)",
         R"(Look at it, then use it, and have its cache:

    aptward import apt-cacher-ng > aptward.toml
    aptward config check --config aptward.toml
    aptward import stock /var/cache/apt-cacher-ng

A mirror, and what this machine has installed lately:

    aptward import stock /var/spool/apt-mirror
    aptward import stock /var/cache/apt/archives)"},
        {"config",
         R"(Checks a configuration with the files that it names, lists every key with its default, or
prints the stanzas for hosts that clients asked for in vain.)",
         R"(Before a reload:

    aptward config check --config /etc/aptward/aptward.toml && systemctl reload aptward)"},
        {"completion",
         R"(Prints a script that completes the command line in a shell: commands, options and their
values. The Debian package installs all three.)",
         R"(For this shell only:

    source <(aptward completion bash)

For good, in zsh and in fish:

    aptward completion zsh > ~/.zfunc/_aptward
    aptward completion fish > ~/.config/fish/completions/aptward.fish)"},
    };
    return kProse;
}

const std::vector<ManualSection>& program_sections()
{
    static const std::vector<ManualSection> kSections = {
        {"SIGNALS", R"(SIGTERM and SIGINT end a node: running answers get 5 seconds to finish.

SIGHUP reloads the configuration and the keyrings. They are taken whole, or refused whole with the
reason in the log, and no connection is dropped.)"},
        {"ENVIRONMENT", R"(LISTEN_FDS and LISTEN_PID tell of sockets that are handed over, and
NOTIFY_SOCKET where readiness is reported; see sd_listen_fds(3) and sd_notify(3).

APTWARD_ADMIN and APTWARD_STATE take the place of the options --admin and --state for every command
that asks a running node or reads its state folder.)"},
        {"FILES", R"(    /etc/aptward/aptward.toml   the configuration, if there is one
    /var/lib/aptward            everything that is held, and what was learned
    /run/aptward/admin          the socket for metrics, status and the API)"},
    };
    return kSections;
}

}  // namespace aptward::cli
