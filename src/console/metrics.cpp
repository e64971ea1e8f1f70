// SPDX-License-Identifier: GPL-3.0-or-later
// The only file that includes prometheus-cpp. Values are made at scrape time from counters that the
// hot path keeps itself: no contention, standard exposition.
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sys/statvfs.h>

#include <set>

#include "archive/deliveries.h"
#include "archive/mending.h"
#include "base/version.h"
#include "console/admin.h"

namespace aptward::console {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Families {
public:
    void counter(const std::string& name, const std::string& help, Labels labels, double value)
    {
        ClientMetric metric;
        metric.label = std::move(labels);
        metric.counter.value = value;
        family(name, help, MetricType::Counter).metric.push_back(std::move(metric));
    }

    void gauge(const std::string& name, const std::string& help, Labels labels, double value)
    {
        ClientMetric metric;
        metric.label = std::move(labels);
        metric.gauge.value = value;
        family(name, help, MetricType::Gauge).metric.push_back(std::move(metric));
    }

    std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

private:
    MetricFamily& family(const std::string& name, const std::string& help, MetricType type)
    {
        for (MetricFamily& known : families_)
            if (known.name == name)
                return known;
        MetricFamily fresh;
        fresh.name = name;
        fresh.help = help;
        fresh.type = type;
        families_.push_back(std::move(fresh));
        return families_.back();
    }

    std::vector<MetricFamily> families_;
};

// Of the codes of releases, those that are no verdict or a good one.
bool is_refusal(const std::string& code)
{
    static const std::set<std::string> kOthers = {
        "release.accepted",         "release.unchanged", "release.unverified",
        "release.restored",         "release.published", "release.held",
        "release.approved",         "release.lost",      "release.engine",
        "release.freeze_suspected", "release.from-host"};
    return code.rfind("release.", 0) == 0 && kOthers.count(code) == 0;
}

double seconds(SystemTime time)
{
    return static_cast<double>(to_unix(time));
}

void add_suite(Families& families, const std::string& archive, const archive::SuiteReport& suite)
{
    const Labels labels = {{"archive", archive}, {"suite", suite.suite}};
    if (suite.date)
        families.gauge("aptward_release_date_seconds", "Date of the served release", labels,
                       seconds(*suite.date));
    if (suite.newest_seen)
        families.gauge("aptward_release_newest_seen_seconds",
                       "Date of the newest well-signed release that any source showed", labels,
                       seconds(*suite.newest_seen));
    if (suite.valid_until)
        families.gauge("aptward_release_valid_until_seconds", "Valid-Until of the served release",
                       labels, seconds(*suite.valid_until));
    families.gauge("aptward_release_checked_seconds", "When a source last confirmed the suite",
                   labels, seconds(suite.checked_at));
    families.gauge("aptward_release_held", "1 while a newer release waits for its indexes", labels,
                   suite.held.empty() ? 0 : 1);
    families.gauge("aptward_release_refused", "1 while the last release looked at was refused",
                   labels, is_refusal(suite.verdict.code) ? 1 : 0);
}

// One series for each key that has signed what is served now; keys without end have none.
void add_keys(Families& families, const ArchiveReport& report)
{
    const archive::ArchiveSettings& settings = report.archive->settings();
    std::set<std::string> signers;
    for (const auto& suite : report.suites)
        signers.insert(suite.signers.begin(), suite.signers.end());
    for (const std::string& signer : signers)
        if (const auto ends = crypto::signing_ends(settings.keyring, signer))
            families.gauge("aptward_key_expiry_seconds",
                           "When a key that signs what is served can sign no longer",
                           {{"archive", settings.id}, {"key", signer}}, seconds(*ends));
}

void add_disk(Families& families, const std::filesystem::path& state)
{
    struct ::statvfs space{};
    if (::statvfs(state.c_str(), &space) != 0)
        return;
    const auto unit = static_cast<double>(space.f_frsize);
    families.gauge("aptward_state_free_bytes", "Room left on the file system of the state", {},
                   static_cast<double>(space.f_bavail) * unit);
    families.gauge("aptward_state_size_bytes", "Size of the file system of the state", {},
                   static_cast<double>(space.f_blocks) * unit);
}

void add_held(Families& families, const archive::Services& services, const archive::Quota& quota)
{
    const auto gauge = [&](const char* name, const char* help, std::uint64_t value) {
        families.gauge(name, help, {}, static_cast<double>(value));
    };
    gauge("aptward_quota_bytes", "What the quota allows; 0: there is none", quota.bytes());
    gauge("aptward_quota_over_bytes", "By which what has to stay is above the quota",
          quota.over_bytes());
    if (const auto count = quota.count())
        gauge("aptward_held_bytes", "Bytes of held files, counted where there is a quota",
              held_now(*count, services.blobs.stored_bytes()));
    const auto last = archive::last_look(services.jobs).value_or(archive::LastLook{});
    gauge("aptward_unmended_files",
          "Files that are needed, damaged or gone, and given by no source", last.mending.unmended);
}

void add_events(Families& families, const std::map<std::string, std::uint64_t>& counts)
{
    double failures = 0;
    for (const auto& [code, times] : counts) {
        const auto value = static_cast<double>(times);
        if (code.rfind("store.", 0) == 0)
            failures += value;
        if (is_refusal(code))
            families.counter("aptward_refused_releases_total", "Releases refused, by reason",
                             {{"code", code}}, value);
        else
            families.counter("aptward_events_total", "Events by code", {{"code", code}}, value);
    }
    families.counter("aptward_store_failures_total", "Times that the state could not be written",
                     {}, failures);
}

void add_source(Families& families, const std::string& archive, const fetch::SourceReport& source)
{
    const Labels labels = {{"archive", archive}, {"source", source.url}};
    families.gauge("aptward_source_up", "0 while the circuit breaker keeps the source for last",
                   labels, source.is_open ? 0 : 1);
    families.gauge("aptward_source_latency_seconds", "Usual time to the first byte", labels,
                   source.latency_ms / 1000);
    families.counter("aptward_source_bytes_total", "Bytes that the source delivered", labels,
                     static_cast<double>(source.bytes));
    for (std::size_t i = 0; i < source.faults.size(); ++i) {
        Labels with_fault = labels;
        with_fault.push_back({"fault", std::string(to_string(static_cast<fetch::Fault>(i)))});
        families.counter("aptward_source_faults_total", "What the source did wrong",
                         std::move(with_fault), static_cast<double>(source.faults[i]));
    }
}

void add_peer(Families& families, const peer::PeerReport& peer)
{
    families.gauge("aptward_peer_linked", "1 while the other node answers as it should",
                   {{"peer", peer.url}}, peer.link.state == peer::State::linked ? 1 : 0);
    families.counter("aptward_peer_bytes_total", "Bytes that the other node delivered",
                     {{"peer", peer.url}}, static_cast<double>(peer.source.bytes));
}

void add_swarm(Families& families, const swarm::Process::Report& swarm)
{
    families.gauge("aptward_swarm_up", "1 while aptward-swarm works", {},
                   swarm.state == swarm::Process::State::working ? 1 : 0);
    families.gauge("aptward_swarm_dht_nodes", "Nodes of the DHT that it knows", {},
                   static_cast<double>(swarm.nodes));
    families.counter("aptward_swarm_restarts_total", "How often it ended and was started again", {},
                     static_cast<double>(swarm.restarts));
}

void add_blob_service(Families& families, const archive::BlobServiceReport& service)
{
    const auto count = [&](const char* name, const char* help, std::uint64_t value) {
        families.counter(name, help, {}, static_cast<double>(value));
    };
    families.gauge("aptward_blob_service_up", "1 while the blob service is as it should be", {},
                   service.state == "good" ? 1 : 0);
    families.gauge("aptward_blob_service_waiting_files", "Files that wait for their upload", {},
                   static_cast<double>(service.waiting_files));
    families.gauge("aptward_blob_service_known_files", "Files that it is known to have", {},
                   static_cast<double>(service.known_files));
    families.gauge("aptward_blob_service_left_alone_files", "Files that it never takes", {},
                   static_cast<double>(service.left_alone_files));
    if (service.deleting.after > std::chrono::seconds(0)) {
        families.gauge("aptward_blob_service_unneeded_bytes",
                       "Bytes in the bucket that no node needs", {},
                       static_cast<double>(service.deleting.unneeded_bytes));
        count("aptward_blob_service_deleted_total", "Files that were deleted in the bucket",
              service.deleting.deleted_files);
        count("aptward_blob_service_deleted_bytes_total", "Bytes that were deleted in the bucket",
              service.deleting.deleted_bytes);
    }
    count("aptward_blob_service_uploaded_total", "Files that were uploaded to it",
          service.uploaded_files);
    count("aptward_blob_service_uploaded_bytes_total", "Bytes that were uploaded to it",
          service.uploaded_bytes);
    count("aptward_blob_service_bytes_total", "Bytes that it delivered", service.source.bytes);
}

}  // namespace

std::string render_metrics(const std::vector<ArchiveReport>& archives,
                           const std::vector<peer::PeerReport>& peers, const peer::Given& given,
                           const swarm::Process::Report& swarm,
                           const std::optional<archive::BlobServiceReport>& blob_service,
                           const archive::Services& services, const archive::Quota& quota,
                           std::size_t connections)
{
    Families families;
    const archive::Counters& counters = services.counters;
    const auto count = [&](const char* name, const char* help, std::uint64_t value) {
        families.counter(name, help, {}, static_cast<double>(value));
    };
    families.gauge("aptward_build", "1, with the version", {{"version", std::string(version())}},
                   1);
    families.gauge("aptward_connections", "Open client connections", {},
                   static_cast<double>(connections));
    count("aptward_requests_total", "Requests below an archive", counters.requests);
    count("aptward_hits_total", "Answered from what is held", counters.hits);
    count("aptward_misses_total", "Answered by fetching", counters.misses);
    count("aptward_stale_total", "Releases served although no source confirmed them",
          counters.stale);
    count("aptward_not_found_total", "404: proven absent", counters.not_found);
    count("aptward_unavailable_total", "503: not known or not to be had now", counters.unavailable);
    count("aptward_cut_total", "Answers cut because the bytes turned out wrong", counters.cut);
    count("aptward_sent_bytes_total", "Bytes of bodies sent", counters.sent_bytes);
    count("aptward_unproven_total", "Files that no index names, passed on unproven",
          counters.unproven);
    count("aptward_tunnels_total", "CONNECT tunnels: unprotected", counters.tunnels);
    count("aptward_tunnelled_bytes_total", "Bytes through tunnels: unprotected",
          counters.tunnelled_bytes->load());
    count("aptward_deliveries_total", "Deliveries recorded", services.deliveries.recorded());
    count("aptward_deliveries_lost_total", "Deliveries that could not be recorded",
          services.deliveries.lost());
    add_events(families, services.events.counts());
    add_disk(families, services.tables);
    add_held(families, services, quota);
    count("aptward_peer_given_total", "Files that other nodes were given", given.answers);
    count("aptward_peer_given_bytes_total", "Bytes that other nodes were given", given.bytes);
    count("aptward_peer_fetched_total", "Of them, files that were fetched because a node asked",
          given.fetched);
    // A stranger that only announces itself is no series.
    for (const peer::PeerReport& peer : peers)
        if (!is_stranger(peer.origin) || peer.link.key)
            add_peer(families, peer);
    if (swarm.state != swarm::Process::State::off)
        add_swarm(families, swarm);
    if (blob_service)
        add_blob_service(families, *blob_service);
    for (const ArchiveReport& report : archives) {
        const std::string& id = report.archive->settings().id;
        families.gauge("aptward_archive_unverified", "1 for an archive that is not verified",
                       {{"archive", id}},
                       report.archive->settings().verify == archive::Verify::enforce ? 0 : 1);
        for (const auto& suite : report.suites)
            add_suite(families, id, suite);
        add_keys(families, report);
        for (const auto& source : report.sources)
            add_source(families, id, source);
    }
    return families.text();
}

}  // namespace aptward::console
