// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "archive/snapshot_names.h"
#include "base/file.h"
#include "base/text.h"
#include "http/server.h"
#include "node/config_blob_service.h"
#include "node/config_checks.h"
#include "node/config_listeners.h"
#include "node/config_peers.h"
#include "node/config_reader.h"
#include "node/config_swarm.h"
#include "node/mirror_list.h"

namespace aptward::node {
namespace {

using archive::ArchiveSettings;

constexpr std::uint64_t kMaxConfigBytes = 1 << 20;

bool is_archive_id(std::string_view id)
{
    return !id.empty() && id.size() <= 64 && id != "HTTPS" && id != "snapshot" &&
           id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") ==
               std::string_view::npos &&
           id.front() != '.';
}

bool is_fingerprint(std::string_view text)
{
    if (!text.empty() && text.back() == '!')
        text.remove_suffix(1);
    return text.size() == 40 &&
           text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

// Reads a list and checks each of its texts.
template <class Check>
void read_checked(Reader& reader, const char* key, std::vector<std::string>& to, Check check)
{
    reader.read(key, to);
    for (const std::string& text : to)
        if (const auto checked = check(text); !checked)
            reader.mistake(key, checked.error().message());
}

void read_proxy(Reader& reader, std::string& proxy)
{
    reader.read("proxy", proxy);
    if (!reader.has("proxy") || proxy.empty())
        return;
    if (const auto checked = check_proxy(proxy); !checked)
        reader.mistake("proxy", checked.error().message());
}

void read_keys(Reader& reader, ArchiveSettings& settings)
{
    if (settings.verify == archive::Verify::unverified) {
        if (!settings.keyrings.empty())
            reader.mistake("keyrings",
                           "an unverified archive has none; remove one of the two keys");
        return;
    }
    if (settings.keyrings.empty())
        return reader.mistake("keyrings",
                              "the keyring files of this archive are missing, such as "
                              "\"/usr/share/keyrings/ubuntu-archive-keyring.gpg\"");
    std::vector<crypto::Keyring> parts;
    for (const std::string& path : settings.keyrings) {
        auto keyring = crypto::load_keyrings({path});
        if (!keyring)
            reader.mistake("keyrings", keyring.error().message());
        else
            parts.push_back(std::move(*keyring));
    }
    settings.keyring = crypto::merge_keyrings(parts);
    for (const std::string& pin : settings.signed_by)
        if (!is_fingerprint(pin))
            reader.mistake("signed-by",
                           "\"" + pin + "\" is no fingerprint of 40 hexadecimal digits");
    std::set<std::string> primaries;
    for (const crypto::PublicKey& key : settings.keyring.keys)
        primaries.insert(key.primary);
    const std::size_t usable =
        settings.signed_by.empty() ? primaries.size() : settings.signed_by.size();
    if (settings.threshold > usable && !settings.keyring.keys.empty())
        reader.mistake("threshold", fmt::format("{} keys must sign, but only {} are configured",
                                                settings.threshold, usable));
}

// They are reached as the upstreams are, but the upstreams' password is not for them.
void read_snapshot_hosts(Reader& reader, ArchiveSettings& settings, fetch::SourceSettings source)
{
    source.user.clear();
    source.password.clear();
    std::vector<std::string> urls;
    reader.read("snapshots", urls);
    for (const std::string& url : urls) {
        if (const auto checked = check_snapshot_host(url); !checked) {
            reader.mistake("snapshots", checked.error().message());
            continue;
        }
        archive::SnapshotHostSettings host = archive::read_snapshot_host(url);
        source.url = host.source.url;
        host.source = source;
        settings.snapshot_hosts.push_back(std::move(host));
    }
    if (!urls.empty() && settings.verify == archive::Verify::unverified)
        reader.mistake("snapshots",
                       "what a snapshot host shows of an unverified archive could not be proven; "
                       "remove the key, or name keyrings");
}

void read_upstreams(Reader& reader, ArchiveSettings& settings, const std::string& common_proxy)
{
    std::vector<std::string> urls, lists;
    reader.read("upstreams", urls);
    reader.read("upstream-lists", lists);
    for (const std::string& list : lists) {
        auto text = read_file(list, kMaxConfigBytes);
        if (!text) {
            reader.mistake("upstream-lists", text.error().message());
            continue;
        }
        for (std::string& url : read_mirror_list(*text))
            urls.push_back(std::move(url));
    }
    fetch::SourceSettings source;
    source.proxy = common_proxy;
    std::string password_file;
    read_proxy(reader, source.proxy);
    reader.read("user", source.user);
    reader.read("ca", source.ca);
    if (!source.ca.empty())
        if (auto text = read_file(source.ca, kMaxConfigBytes); !text)
            reader.mistake("ca", text.error().message());
    reader.read("password-file", password_file);
    if (!password_file.empty()) {
        auto password = read_file(password_file, 4096);
        if (password)
            source.password = password->substr(0, password->find('\n'));
        else
            reader.mistake("password-file", password.error().message());
    }
    if (!source.user.empty() && password_file.empty())
        reader.mistake("user",
                       "a user without password-file: name the file whose first line is the "
                       "password, or remove the user");
    if (source.user.empty() && !password_file.empty())
        reader.mistake("password-file",
                       "a password without user: name the user, or remove the file");
    for (std::string url : urls) {
        if (const auto checked = check_upstream(url); !checked) {
            reader.mistake("upstreams", checked.error().message());
            continue;
        }
        while (url.back() == '/')
            url.pop_back();
        source.url = url;
        settings.upstreams.push_back(source);
        settings.hosts.push_back(url);
    }
    read_snapshot_hosts(reader, settings, source);
    if (urls.empty())
        reader.mistake("upstreams",
                       "at least one URL is wanted, such as "
                       "\"http://archive.ubuntu.com/ubuntu\"");
}

ArchiveSettings read_archive(const toml::table& table, const Config& config,
                             std::vector<Mistake>& mistakes)
{
    Reader reader(table, "archive", config.origin, mistakes);
    ArchiveSettings settings;
    reader.read("id", settings.id);
    if (!is_archive_id(settings.id))
        reader.mistake("id", "\"" + settings.id +
                                 "\" is no name: lower-case letters, digits, '-', "
                                 "'_' and '.', at most 64");
    reader.read("keyrings", settings.keyrings);
    reader.read("signed-by", settings.signed_by);
    reader.read("threshold", settings.threshold, 1, 100);
    reader.read("verify", settings.verify,
                {{"enforce", archive::Verify::enforce},
                 {"observe", archive::Verify::observe},
                 {"unverified", archive::Verify::unverified}});
    read_keys(reader, settings);
    read_checked(reader, "hosts", settings.hosts, check_host_prefix);
    read_upstreams(reader, settings, config.proxy);
    for (const std::string& sentence : doubly_claimed(settings, config.archives))
        reader.mistake(reader.has("hosts") ? "hosts" : "upstreams", sentence);
    reader.read("freshness", settings.freshness);
    reader.read("private", settings.is_private);
    if (settings.is_private && !settings.snapshot_hosts.empty())
        reader.mistake("snapshots",
                       "a private archive has none: clients' credentials are for its upstream "
                       "alone; remove one of the two keys");
    reader.read("credentials-kept", settings.credentials_kept);
    reader.read("credentials-kept-in-outage", settings.credentials_kept_in_outage);
    settings.security_freshness = std::min(settings.security_freshness, settings.freshness);
    reader.read("security-freshness", settings.security_freshness);
    reader.read("optional-wait", settings.optional_wait);
    read_checked(reader, "suite-aliases", settings.suite_aliases, check_suite);
    reader.read("auxiliary", settings.auxiliary);
    for (const std::string& pattern : settings.auxiliary)
        if (auto checked =
                archive::check_pattern(pattern).and_then([&] { return check_inside(pattern); });
            !checked)
            reader.mistake("auxiliary", checked.error().message());
    read_checked(reader, "suites", settings.only_suites, check_suite);
    archive::KnownSuite known;
    read_checked(reader, "components", known.components, check_word);
    read_checked(reader, "architectures", known.architectures, check_word);
    for (const std::string& suite : settings.only_suites) {
        known.suite = suite;
        settings.known_suites.push_back(known);
    }
    return settings;
}

std::vector<archive::Network> read_networks(Reader& reader, const char* key)
{
    std::vector<std::string> texts;
    reader.read(key, texts);
    std::vector<archive::Network> networks;
    for (const std::string& text : texts) {
        auto network = archive::parse_network(text);
        if (network)
            networks.push_back(std::move(*network));
        else
            reader.mistake(key, network.error().message());
    }
    return networks;
}

// Each ring is behind the one above it in the file; the first is behind everybody else.
void read_rings(Reader& outer, const toml::table& table, Config& config,
                std::vector<Mistake>& mistakes)
{
    const toml::node* rings = table.get("ring");
    if (rings == nullptr)
        return;
    if (!rings->is_array_of_tables())
        return outer.mistake("ring", "write [[ring]] with two brackets for each ring");
    std::chrono::seconds delay{};
    for (const toml::node& node : *rings->as_array()) {
        Reader reader(*node.as_table(), "ring", config.origin, mistakes);
        archive::RingSettings ring;
        reader.read("name", ring.name);
        if (ring.name.empty())
            reader.mistake("name", "a ring has a name, such as \"late\"");
        std::chrono::seconds after{};
        reader.read("after", after);
        if (after.count() <= 0)
            reader.mistake("after", "a ring waits for some time, such as \"24h\"");
        reader.read("security-at-once", ring.has_security_at_once);
        config.ring_clients.push_back(read_networks(reader, "clients"));
        if (config.ring_clients.back().empty())
            reader.mistake("clients", "a ring has clients, such as \"10.1.0.0/16\"");
        delay += after;
        ring.delay = delay;
        config.rings.push_back(std::move(ring));
    }
}

// Which address is whose is known when all are read: each is used once.
void check_addresses(Reader& reader, const Config& config, bool has_own_listen)
{
    std::set<std::string> seen;
    for (const ListenerSettings& listener : config.listeners)
        seen.insert(listener.address);
    const auto is_first = [&](const std::string& address) {
        return seen.insert(address).second || address.ends_with(":0");
    };
    for (const std::string& address : has_own_listen ? config.listen : std::vector<std::string>())
        if (const auto checked = http::check_address(address); !checked)
            reader.mistake("listen", checked.error().message());
        else if (!is_first(address))
            reader.mistake("listen",
                           "\"" + address + "\" is used twice; accepted is each address once");
    if (const auto checked = http::check_address(config.admin); !checked)
        reader.mistake("admin", checked.error().message());
    else if (!is_first(config.admin))
        reader.mistake("admin", "\"" + config.admin +
                                    "\" is used by a listener as well; accepted is an address of "
                                    "its own, such as \"unix:/run/aptward/admin\"");
}

void check_admin_users(Reader& reader, const Config& config)
{
    for (const std::string& name : config.admin_users)
        if (uids_of({name}).empty())
            reader.mistake("admin-users", "this machine has no user \"" + printable(name) +
                                              "\"; accepted are names that `getent passwd` knows");
}

void read_listeners(Reader& reader, const toml::table& table, Config& config,
                    std::vector<Mistake>& mistakes, bool has_listen)
{
    const toml::node* listeners = table.get("listener");
    if (listeners == nullptr)
        return;
    if (!listeners->is_array_of_tables())
        return reader.mistake("listener", "write [[listener]] with two brackets for each listener");
    std::set<std::string> addresses;
    for (const toml::node& node : *listeners->as_array()) {
        config.listeners.push_back(
            read_listener(*node.as_table(), config.origin, config, mistakes));
        const ListenerSettings& last = config.listeners.back();
        if (!addresses.insert(last.address).second && !last.address.ends_with(":0"))
            mistakes.push_back({fmt::format("{}:{}", config.origin, node.source().begin.line),
                                "listener.address: \"" + last.address + "\" is used twice"});
        // A client listener that says how it is to be used takes the place of the standard one.
        if (last.serves_archive && !has_listen)
            config.listen.clear();
    }
}

void read_stock_lists(Reader& outer, const toml::table& table, Config& config,
                      std::vector<Mistake>& mistakes)
{
    const toml::node* lists = table.get("stock-list");
    if (lists == nullptr)
        return;
    if (!lists->is_array_of_tables())
        return outer.mistake("stock-list", "write [[stock-list]] with two brackets for each list");
    std::set<std::string> names;
    for (const toml::node& node : *lists->as_array()) {
        Reader reader(*node.as_table(), "stock-list", config.origin, mistakes);
        stock::List list;
        reader.read("name", list.name);
        if (list.name.empty() || !names.insert(list.name).second)
            reader.mistake("name", "a list has a name of its own, such as \"web-servers\"");
        reader.read("packages", list.packages);
        if (list.packages.empty())
            reader.mistake("packages", "a list names packages, such as [\"nginx\", \"vim\"]");
        const auto has_everything =
            std::count(list.packages.begin(), list.packages.end(), stock::kEverything) > 0;
        if (has_everything && list.packages.size() > 1)
            reader.mistake("packages", "\"*\" means all packages: write it alone");
        reader.read("machine", list.machine);
        reader.read("suites", list.suites);
        reader.read("architecture", list.architecture);
        if (list.machine.empty() == list.suites.empty())
            reader.mistake("suites",
                           "a list has either a machine or suites, such as "
                           "[\"debian/bookworm\"]");
        config.stock.lists.push_back(std::move(list));
    }
}

void read_stock(Reader& reader, stock::Settings& settings)
{
    reader.read("stock-wait", settings.wait);
    reader.read_size("stock-budget", settings.budget_bytes);
    reader.read_size("stock-rate", settings.rate_bytes_per_s);
    reader.read("machine-reports", settings.reports,
                {{"clients", stock::Reports::clients}, {"operators", stock::Reports::operators}});
}

void read_apt_folders(Reader& reader, Config& config)
{
    reader.read("apt-archives", config.apt_archives);
    reader.read("apt-lists", config.apt_lists);
    for (const auto& [key, folder] :
         {std::pair("apt-archives", &config.apt_archives), {"apt-lists", &config.apt_lists}})
        if (!folder->empty() && !std::filesystem::path(*folder).is_absolute())
            reader.mistake(key, "\"" + *folder + "\" is no absolute path");
    reader.read("shared-hosts", config.shared_hosts);
    if (!config.shared_hosts.empty() && config.profile != Profile::light)
        reader.mistake("shared-hosts", "only profile = \"light\" looks at them");
}

void read_whole(const toml::table& table, const std::vector<std::string>& listen, Config& config,
                std::vector<Mistake>& mistakes)
{
    Reader reader(table, "", config.origin, mistakes);
    reader.read("profile", config.profile, {{"full", Profile::full}, {"light", Profile::light}});
    if (config.profile == Profile::light)
        be_light(config);
    std::string state = config.state.string();
    reader.read("state", state);
    config.state = state;
    if (!config.state.is_absolute())
        reader.mistake("state", "\"" + state + "\" is no absolute path");
    reader.read("listen", config.listen);
    if (!listen.empty())
        config.listen = listen;
    reader.read("admin", config.admin);
    reader.read("admin-users", config.admin_users);
    check_admin_users(reader, config);
    reader.read("connect", config.allows_connect);
    read_checked(reader, "connect-hosts", config.connect_hosts, check_host_and_port);
    reader.read("unknown-hosts", config.unknown_hosts,
                {{"refuse", archive::UnknownHosts::refuse},
                 {"pass", archive::UnknownHosts::pass},
                 {"observe-setup", archive::UnknownHosts::observe}});
    read_proxy(reader, config.proxy);
    reader.read("loops", config.loops, 0, 1024);
    reader.read("deliveries-kept", config.deliveries_kept);
    reader.read("scrub-every", config.scrub_every);
    reader.read_size("scrub-rate", config.scrub_rate_bytes_per_s);
    reader.read_size("quota", config.quota_bytes);
    reader.read("hot-for", config.hot_for);
    read_stock(reader, config.stock);
    reader.read("log-level", config.log_level,
                {{"debug", LogLevel::debug},
                 {"info", LogLevel::info},
                 {"warning", LogLevel::warning},
                 {"error", LogLevel::error}});
    reader.read("log-format", config.log_format,
                {{"text", LogFormat::text}, {"json", LogFormat::json}});
    if (reader.has("clients"))
        config.clients = read_networks(reader, "clients");
    read_apt_folders(reader, config);
    read_rings(reader, table, config, mistakes);
    read_stock_lists(reader, table, config, mistakes);
    const bool has_listen = !listen.empty() || reader.has("listen");
    read_listeners(reader, table, config, mistakes, has_listen);
    check_addresses(reader, config, listen.empty());
    read_peers(reader, table, config, mistakes);
    read_blob_service(reader, table, config, mistakes);
    read_swarm(reader, table, config, mistakes);
    const toml::node* archives = table.get("archive");
    if (archives == nullptr)
        return add_machine_archives(config, mistakes, "/");
    if (!archives->is_array_of_tables())
        return reader.mistake("archive", "write [[archive]] with two brackets for each archive");
    std::set<std::string> ids;
    for (const toml::node& node : *archives->as_array()) {
        config.archives.push_back(read_archive(*node.as_table(), config, mistakes));
        if (!ids.insert(config.archives.back().id).second)
            mistakes.push_back({fmt::format("{}:{}", config.origin, node.source().begin.line),
                                "archive.id: \"" + config.archives.back().id + "\" is used twice"});
    }
}

}  // namespace

ConfigOutcome read_config(const std::filesystem::path& file, const std::vector<std::string>& listen)
{
    ConfigOutcome outcome;
    auto text = read_file(file, kMaxConfigBytes);
    if (!text) {
        outcome.mistakes.push_back({file.string(), text.error().message()});
        return outcome;
    }
    Config config;
    config.origin = file.string();
    try {
        const toml::table table = toml::parse(*text, file.string());
        read_whole(table, listen, config, outcome.mistakes);
        if (!outcome.mistakes.empty())
            outcome.unfinished = std::move(config);
    } catch (const toml::parse_error& error) {
        outcome.mistakes.push_back(
            {fmt::format("{}:{}", file.string(), error.source().begin.line),
             fmt::format("column {}: {}", error.source().begin.column, error.description())});
    }
    if (outcome.mistakes.empty())
        outcome.config = std::move(config);
    return outcome;
}

ConfigOutcome zero_config(const std::string& root, const std::vector<std::string>& listen)
{
    ConfigOutcome outcome;
    Config config;
    config.origin = "the machine's apt sources";
    if (!listen.empty())
        config.listen = listen;
    add_machine_archives(config, outcome.mistakes, root);
    if (outcome.mistakes.empty())
        outcome.config = std::move(config);
    return outcome;
}

}  // namespace aptward::node
