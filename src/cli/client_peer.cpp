// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/client_peer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>

#include "base/file.h"
#include "base/text.h"
#include "cli/run_program.h"
#include "deb/deb.h"

namespace aptward::cli {
namespace {

constexpr std::string_view kHostLetters =
    "abcdefghijklmnopqrstuvwxyz0123456789-._:[]";  // what may stand in a script and in TOML
constexpr const char* kStateFolder = "/var/lib/aptward-peer";

// A password that is not seen is one that is not kept: so all of them have to be readable.
Result<void> check_readable(const std::filesystem::path& root)
{
    const std::filesystem::path folder = node::below(root, "/etc/apt/auth.conf.d");
    std::vector<std::filesystem::path> files = {node::below(root, "/etc/apt/auth.conf")};
    std::error_code error;
    std::filesystem::directory_iterator entries(folder, error);
    if (error && error != std::errc::no_such_file_or_directory)
        return fail(Errc::unavailable, folder.string() + ": " + error.message() +
                                           "; run this as root: which sources need a password has "
                                           "to be known");
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error))
        files.push_back(entries->path());
    for (const std::filesystem::path& file : files) {
        const auto text = read_file(file, kMaxSourceBytes);
        if (!text && text.error().code() != Errc::not_found)
            return fail(Errc::unavailable, text.error().message() +
                                               "; run this as root: which sources need a password "
                                               "has to be known");
    }
    return {};
}

// Who shows a certificate to the host gets what others do not.
bool shows_certificate(const std::filesystem::path& root, const std::string& host)
{
    const std::string whose = "Acquire::https::" + host + "::SslCert";
    const auto settings = deb::read_apt_settings({"Acquire::https::SslCert", whose}, root.string());
    return !settings || std::any_of(settings->begin(), settings->end(),
                                    [](const auto& one) { return !one.second.empty(); });
}

// Why what comes from there is not for others; empty when it is.
std::string obstacle(const std::filesystem::path& root, const deb::AptSource& source,
                     const std::string& authority, const std::vector<std::string>& with_passwords)
{
    const std::string host = host_of_authority(authority);
    if (source.trusted)
        return "it is marked trusted=yes, which asks for no proof";
    if (authority.find('@') != std::string::npos ||
        std::find(with_passwords.begin(), with_passwords.end(), host) != with_passwords.end())
        return "it needs a password";
    if (authority.find_first_not_of(kHostLetters) != std::string::npos)
        return "its host is none";
    if (source.uri.starts_with("https://") && shows_certificate(root, host))
        return "it is asked with a certificate of this machine";
    return "";
}

bool has_systemd(const std::filesystem::path& root)
{
    return root == "/" && std::filesystem::exists("/run/systemd/system");
}

Result<void> systemctl(const std::vector<std::string>& words)
{
    std::vector<std::string> command = {"/usr/bin/systemctl", "--quiet"};
    command.insert(command.end(), words.begin(), words.end());
    TRY(const ProgramEnd end, run_program(command));
    if (end.status != 0)
        return fail(Errc::unavailable,
                    fmt::format("systemctl {} ended with {}", fmt::join(words, " "), end.status));
    return {};
}

void try_systemctl(const std::vector<std::string>& words)
{
    if (const auto done = systemctl(words); !done)
        std::fprintf(stderr, "aptward: %s\n", done.error().message().c_str());
}

constexpr std::string_view kConfig =
    R"(# Written by `aptward client setup --peer`; `aptward client undo` removes it.
# This machine serves its own apt, and gives other nodes of its local networks what it has.
# What the profile means: docs/light.md, aptward.toml(5).
profile = "light"

# Hosts of this machine's sources that need no password, as root saw them. What is of others is
# neither served nor given: run `aptward client setup --peer` again after a change of the sources or
# of their credentials.
shared-hosts = [{}]
)";

constexpr std::string_view kUnit = R"([Unit]
Description=Aptward, a small peer: what apt has on this machine, for its neighbours
Documentation=man:aptward-client(1) man:aptward.toml(5)
After=network.target nss-lookup.target
# The program may be removed before this is taken back.
ConditionFileIsExecutable={0}
# Both listen on port 3142, and a node is a peer already.
Conflicts=aptward.service

[Service]
Type=notify
ExecStart={0} serve --config {1}
ExecReload={0} config check --config {1}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=1
RestartPreventExitStatus=2
TimeoutStopSec=20

# It makes way for everything else on this machine.
CPUWeight=20
IOWeight=20
Nice=5
MemoryHigh=128M

DynamicUser=yes
StateDirectory=aptward-peer
StateDirectoryMode=0750
RuntimeDirectory=aptward-peer
UMask=0077

NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native
SystemCallFilter=@system-service seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
SystemCallFilter=~@privileged @resources @keyring
SystemCallFilter=sched_setscheduler setpriority ioprio_set
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
)";

}  // namespace

Result<std::vector<std::string>> find_shared_hosts(const std::filesystem::path& root,
                                                   std::vector<std::string>& notes)
{
    TRY_VOID(check_readable(root));
    TRY(const auto sources, deb::read_apt_sources(root.string()));
    const auto with_passwords = hosts_with_passwords(root);
    std::vector<std::string> hosts, left_out;
    for (const deb::AptSource& source : sources) {
        const bool is_http =
            source.uri.starts_with("http://") || source.uri.starts_with("https://");
        if (!is_http)
            continue;
        const std::size_t start = source.uri.find("://") + 3;
        const std::string authority =
            to_lower(source.uri.substr(start, source.uri.find('/', start) - start));
        const std::string why = obstacle(root, source, authority, with_passwords);
        auto& list = why.empty() ? hosts : left_out;
        if (std::find(list.begin(), list.end(), authority) != list.end())
            continue;
        list.push_back(authority);
        if (!why.empty())
            notes.push_back(fmt::format("nothing of {} is given to others: {}",
                                        printable(authority.substr(authority.find('@') + 1)), why));
    }
    // A host of which one source is not for others gives nothing to them, whatever the port.
    std::erase_if(hosts, [&](const std::string& authority) {
        return std::any_of(left_out.begin(), left_out.end(), [&](const std::string& other) {
            return host_of_authority(other) == host_of_authority(authority);
        });
    });
    if (hosts.empty())
        return fail(Errc::malformed,
                    "no source of this machine is one of http or https that needs no password: "
                    "there is nothing to give to others");
    return hosts;
}

std::vector<PlannedFile> peer_files(const std::vector<std::string>& shared_hosts,
                                    const std::string& program)
{
    std::string list;
    for (const std::string& host : shared_hosts)
        list += (list.empty() ? "\"" : ", \"") + host + '"';
    return {{kPeerConfigFile, fmt::format(kConfig, list), 0644},
            {kPeerUnitFile, fmt::format(kUnit, program, kPeerConfigFile), 0644}};
}

Result<bool> start_peer(const std::filesystem::path& root)
{
    if (!has_systemd(root))
        return false;
    TRY_VOID(systemctl({"daemon-reload"}));
    TRY_VOID(systemctl({"enable", kPeerUnit}));
    TRY_VOID(systemctl({"restart", kPeerUnit}));
    return true;
}

void end_peer(const std::filesystem::path& root)
{
    if (has_systemd(root)) {
        try_systemctl({"disable", "--now", kPeerUnit});
        try_systemctl({"clean", "--what=state", kPeerUnit});
    }
    std::error_code error;  // of one that was started by hand
    std::filesystem::remove_all(node::below(root, kStateFolder), error);
}

void forget_peer(const std::filesystem::path& root)
{
    if (has_systemd(root))
        try_systemctl({"daemon-reload"});
}

}  // namespace aptward::cli
