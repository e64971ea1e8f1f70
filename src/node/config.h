// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The configuration file: TOML in, settings out, or every mistake at once.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "archive/front.h"
#include "archive/settings.h"
#include "base/log.h"
#include "http/principal.h"
#include "peer/peer.h"
#include "s3/service.h"
#include "stock/stock.h"
#include "swarm/messages.h"

namespace aptward::node {

/// One [[listener]].
struct ListenerSettings {
    std::string address;  ///< As listen_on takes it.
    bool serves_archive = false, serves_admin = false;
    std::shared_ptr<const http::Admission> admission;
};

/// The [[swarm]].
struct SwarmSettings {
    std::filesystem::path program;  ///< Empty: where it is installed.
    swarm::Start start;
};

/// What a node is for, which the defaults follow.
enum class Profile {
    full,
    light,  ///< A machine that serves itself, and gives its neighbours what apt has here.
};

struct Config {
    Profile profile = Profile::full;
    std::filesystem::path state = "/var/lib/aptward";
    std::vector<std::string> listen = {"127.0.0.1:3142"};
    std::vector<ListenerSettings> listeners;
    std::string admin = "unix:/run/aptward/admin";
    std::vector<std::string> admin_users;  ///< May write over the Unix socket, besides root and us.
    std::vector<archive::Network> clients;
    std::vector<archive::RingSettings> rings;
    std::vector<std::vector<archive::Network>> ring_clients;  ///< Of each ring.
    bool allows_connect = true;
    archive::UnknownHosts unknown_hosts = archive::UnknownHosts::refuse;
    std::vector<std::string> connect_hosts;
    std::string proxy;   ///< For all upstream traffic; empty: none
    unsigned loops = 0;  ///< 0: one per core
    std::chrono::seconds deliveries_kept = std::chrono::hours(24 * 400);  ///< 0: not recorded
    std::chrono::seconds scrub_every = std::chrono::hours(24 * 30);       ///< 0: never by itself
    std::uint64_t scrub_rate_bytes_per_s = 20'000'000;                    ///< 0: no limit
    std::uint64_t quota_bytes = 0;                                        ///< 0: none
    std::chrono::seconds hot_for = std::chrono::hours(24 * 14);
    stock::Settings stock;
    peer::Settings peers;
    std::optional<s3::Settings> blob_service;
    std::optional<SwarmSettings> swarm;  ///< Nothing: no node is looked for over the internet.
    LogLevel log_level = LogLevel::info;
    LogFormat log_format = LogFormat::text;
    std::string apt_archives, apt_lists;  ///< apt's folders that are given from; empty: none.
    /// With the light profile: the hosts of the machine's sources that need no password. What is of
    /// others is neither served nor given.
    std::vector<std::string> shared_hosts;
    std::vector<archive::ArchiveSettings> archives;
    std::vector<std::string> notes;  ///< What was skipped, one sentence each.
    std::string origin;              ///< The file, or "the machine's apt sources".
};

/// A mistake: "FILE:LINE: KEY: what is wrong; accepted is ...".
struct Mistake {
    std::string where;
    std::string message;
};

struct ConfigOutcome {
    std::optional<Config> config;  ///< Absent exactly when there are mistakes.
    std::vector<Mistake> mistakes;
    std::optional<Config> unfinished;  ///< What was read in spite of mistakes that are no syntax.
};

/// Reads and checks a file and the keyrings it names. All semantic mistakes are reported at once,
/// of syntax errors the first. A file without [[archive]] serves the machine's apt sources.
/// `listen`, when not empty, replaces the file's: the addresses that the node will have.
ConfigOutcome read_config(const std::filesystem::path& file,
                          const std::vector<std::string>& listen = {});

/// The configuration of no file at all: defaults, and the machine's apt sources below `root`.
ConfigOutcome zero_config(const std::string& root = "/",
                          const std::vector<std::string>& listen = {});

/// Adds the archives of the machine's apt sources; what cannot be served is named in `notes`.
void add_machine_archives(Config& config, std::vector<Mistake>& mistakes, const std::string& root);

/// Every key with its default and meaning: the source of `aptward config keys` and the man page.
struct ConfigKey {
    const char* section;  ///< "", "archive" or "listener"
    const char* name;
    const char* type;
    const char* standard;  ///< The default, as it would be written.
    const char* meaning;
    const char* required = "(required)";  ///< Shown where there is no default.
};
const std::vector<ConfigKey>& config_keys();

}  // namespace aptward::node
