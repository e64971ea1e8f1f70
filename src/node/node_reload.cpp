// SPDX-License-Identifier: GPL-3.0-or-later
// From a configuration to what is served, at the start and at a reload.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "archive/host_aliases.h"
#include "base/log.h"
#include "base/text.h"
#include "node/config_swarm.h"
#include "node/node_parts.h"
#include "node/reachable.h"

namespace aptward::node {
namespace {

constexpr std::chrono::seconds kRestoreLimit{60};
constexpr std::chrono::hours kObservedFor{7 * 24};
constexpr const char* kObservedSince = "observe-setup.since";

// The moment that the state remembers under `key`; the present one when it is the first.
SystemTime remembered_since(catalog::State& state, const char* key, SystemTime now)
{
    if (const auto known = parse_number<std::int64_t>(state.fact(key).value_or("")))
        return from_unix(*known);
    if (const auto put = state.put_fact(key, std::to_string(to_unix(now))); !put)
        log_warning("state.failed", {}, put.error().message());
    return now;
}

using Suites = std::map<std::string, catalog::SuiteState>;

Suites suites_of(const std::string& archive,
                 const std::map<std::pair<std::string, std::string>, catalog::SuiteState>& suites)
{
    Suites own;
    for (const auto& [key, suite] : suites)
        if (key.first == archive)
            own[key.second] = suite;
    return own;
}

// archive-reality 9: a threshold above the signers seen would refuse everything from now on.
Result<void> check_threshold(const archive::ArchiveSettings& settings, const Suites& suites)
{
    if (settings.verify == archive::Verify::unverified)
        return {};
    for (const auto& [name, suite] : suites)
        if (!suite.current().empty() && !suite.floor.signers.empty() &&
            suite.floor.signers.size() < settings.threshold)
            return fail(
                Errc::malformed,
                fmt::format("archive {}: threshold = {} is above the {} keys that signed "
                            "the release of {} which is served: nothing newer would ever "
                            "be accepted; lower it",
                            settings.id, settings.threshold, suite.floor.signers.size(), name));
    return {};
}

fetch::SourceReport report_of(const catalog::SourceState& before)
{
    fetch::SourceReport report;
    report.latency_ms = before.latency_ms;
    report.rate_bytes_per_s = before.rate_bytes_per_s;
    report.failures_in_a_row = before.failures_in_a_row;
    report.last_fault = before.last_fault;
    report.last_fault_time = before.last_fault_time;
    report.last_good_time = before.last_good_time;
    report.open_until = before.open_until;
    report.distrusted_until = before.distrusted_until;
    return report;
}

class Reloading {
public:
    explicit Reloading(console::Admin& admin) : admin_(admin) { admin_.set_reloading(true); }
    ~Reloading() { admin_.set_reloading(false); }
    Reloading(const Reloading&) = delete;
    Reloading& operator=(const Reloading&) = delete;

private:
    console::Admin& admin_;
};

}  // namespace

std::shared_ptr<archive::Routes> Node::Parts::make_routes(const Config& from,
                                                          std::vector<std::string> own_addresses)
{
    auto routes = std::make_shared<archive::Routes>();
    for (archive::ArchiveSettings settings : from.archives) {
        settings.rings = from.rings;
        const std::size_t index = routes->archives.size();
        for (const std::string& host : settings.hosts)
            routes->prefixes.push_back(archive::read_prefix(host, index));
        routes->archives.push_back(
            std::make_shared<archive::Archive>(std::move(settings), *services));
    }
    // Of two archives that are one to the vendor, the first has the other names. One that serves
    // some suites only is none of the vendor's as a whole.
    for (std::size_t index = 0; index < from.archives.size(); ++index)
        if (from.archives[index].only_suites.empty())
            for (const std::string& alias : archive::host_aliases(from.archives[index].hosts))
                routes->aliases.push_back(archive::read_prefix(alias, index));
    routes->clients = from.clients;
    routes->rings = from.ring_clients;
    routes->allows_connect = from.allows_connect;
    routes->connect_hosts = from.connect_hosts;
    routes->proxy = from.proxy;
    routes->unknown_hosts = from.unknown_hosts;
    routes->own_addresses = std::move(own_addresses);
    return routes;
}

Result<void> Node::Parts::restore(archive::Routes& routes)
{
    // The state thread may be writing: ask there (at a reload).
    std::promise<void> is_read;
    std::map<std::pair<std::string, std::string>, catalog::SuiteState> suites;
    std::map<std::string, catalog::SourceState> remembered;
    std::map<std::string, catalog::ArchiveDecisions> decisions;
    std::string strangers;
    SystemTime observed_since = system_now();
    const bool is_observing = routes.unknown_hosts == archive::UnknownHosts::observe;
    state_thread->post([&] {
        strangers = state->fact(kStrangers).value_or("");
        if (is_observing)
            observed_since = remembered_since(*state, kObservedSince, observed_since);
        for (const auto& archive : routes.archives)
            decisions[archive->settings().id] = state->decisions(archive->settings().id);
        suites = state->suites();
        remembered = state->sources();
        is_read.set_value();
    });
    is_read.get_future().wait();
    routes.observed_until = observed_since + kObservedFor;
    if (front->routes() == nullptr)
        front->strangers().restore(strangers);
    for (const auto& archive : routes.archives)
        TRY_VOID(check_threshold(archive->settings(), suites_of(archive->settings().id, suites)));
    for (const auto& archive : routes.archives) {
        restore_health(archive->all_sources(), remembered, "");
        const auto own = suites_of(archive->settings().id, suites);
        const bool is_restored =
            run_on(services->control, "restore", kRestoreLimit,
                   [archive, own, decided = decisions[archive->settings().id]]() {
                       return archive->restore(own, decided);
                   });
        if (!is_restored)
            return fail(Errc::storage, "restoring " + archive->settings().id + " takes too long");
    }
    return {};
}

void Node::Parts::restore_health(std::vector<fetch::SourcePtr> sources,
                                 std::map<std::string, catalog::SourceState> remembered,
                                 const std::string& kind)
{
    client.post([sources = std::move(sources), remembered = std::move(remembered), kind] {
        for (const auto& source : sources) {
            const auto known = remembered.find(kind + source->url());
            if (known != remembered.end())
                source->restore(report_of(known->second), steady_now());
        }
    });
}

void Node::Parts::restore_peers()
{
    std::promise<std::map<std::string, catalog::SourceState>> known;
    state_thread->post([&] { known.set_value(state->sources()); });
    restore_health(peers->sources(), known.get_future().get(), kPeerHealth);
}

// What the threads and files of a running node were made with.
void Node::Parts::tell_what_stays(const Config& fresh)
{
    std::vector<std::string> keys;
    const auto compare = [&](const char* key, bool is_same) {
        if (!is_same)
            keys.push_back(key);
    };
    compare("state", fresh.state == config.state);
    compare("loops", fresh.loops == config.loops);
    compare("apt-archives", fresh.apt_archives == config.apt_archives);
    compare("apt-lists", fresh.apt_lists == config.apt_lists);
    compare("deliveries-kept", fresh.deliveries_kept == config.deliveries_kept);
    compare("scrub-every", fresh.scrub_every == config.scrub_every);
    compare("hot-for", fresh.hot_for == config.hot_for);
    compare("scrub-rate", fresh.scrub_rate_bytes_per_s == config.scrub_rate_bytes_per_s);
    if (!keys.empty())
        log_warning("config.kept", {{"keys", fmt::format("{}", fmt::join(keys, ", "))}},
                    "these keys change when the node is restarted");
}

Result<void> Node::reload(Config config)
{
    const std::lock_guard lock(parts_->reload_mutex);
    if (parts_->is_stopped)
        return fail(Errc::unavailable, "the node is stopping");
    const Reloading reloading(*parts_->admin);
    // Archives whose settings stay the same keep running; the others are judged under the new keys
    // before anything changes: a reload is taken whole or refused whole.
    TRY(auto plan, parts_->listeners->prepare(config));
    auto routes = parts_->make_routes(config, plan.own_addresses());
    const auto before = parts_->front->routes();
    std::vector<std::string> refusals;
    for (const auto& fresh : routes->archives)
        for (const auto& running : before->archives) {
            if (running->settings().id != fresh->settings().id)
                continue;
            fresh->succeed(*running);
            if (fresh->settings().verify == archive::Verify::unverified)
                continue;
            auto found = std::make_shared<std::vector<std::string>>();
            const bool is_done = run_on(parts_->services->control, "rejudge", kRestoreLimit,
                                        [running, fresh, found]() -> http::Async<void> {
                                            auto refused =
                                                co_await running->rejudge(fresh->settings());
                                            *found = std::move(refused);
                                        });
            if (!is_done)
                return fail(Errc::unavailable, "the node is too busy to check the new keys");
            for (const std::string& refusal : *found)
                refusals.push_back(fresh->settings().id + " " + refusal);
        }
    if (!refusals.empty())
        return fail(Errc::untrusted,
                    fmt::format("the new configuration is refused, because what is "
                                "served now would not be accepted by it: {}",
                                fmt::join(refusals, "; ")));
    if (auto restored = parts_->restore(*routes); !restored) {
        // Those that were restored run already: they may commit nothing.
        for (const auto& archive : routes->archives)
            archive->retire();
        return restored;
    }
    parts_->front->use(std::move(routes));
    for (const auto& archive : before->archives)
        archive->retire();
    // The new archives ask their sources; what it was about is over.
    if (const auto drill = parts_->drill->running())
        run_on(parts_->services->control, "ending a drill", kRestoreLimit,
               [ended = parts_->drill.get(), number = drill->number]() -> http::Async<void> {
                   co_await ended->end(number, "a reload");
               });
    parts_->listeners->serve(std::move(plan));
    if (const auto written = parts_->write_run_file(); !written)
        log_warning("state.unwritable", {}, written.error().message());
    parts_->stock->use(config.stock);
    parts_->peers->use(config.peers);
    parts_->peers->announce(reachable_at(parts_->listeners->open_addresses()));
    parts_->blob_service->use(config.blob_service);
    parts_->swarm->use(swarm_process_of(config));
    parts_->quota->set_bytes(config.quota_bytes);
    parts_->tell_what_stays(config);
    parts_->tell_notes(config);
    parts_->tell("node.reloaded", "configuration reloaded");
    parts_->config.archives = std::move(config.archives);
    return {};
}

}  // namespace aptward::node
