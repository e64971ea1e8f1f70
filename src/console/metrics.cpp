// SPDX-License-Identifier: GPL-3.0-or-later
// The only file that includes prometheus-cpp. Values are made at scrape time from counters that the
// hot path keeps itself: no contention, standard exposition.
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

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
    if (suite.valid_until)
        families.gauge("aptward_release_valid_until_seconds", "Valid-Until of the served release",
                       labels, seconds(*suite.valid_until));
    families.gauge("aptward_release_checked_seconds", "When a source last confirmed the suite",
                   labels, seconds(suite.checked_at));
    families.gauge("aptward_release_held", "1 while a newer release waits for its indexes", labels,
                   suite.held.empty() ? 0 : 1);
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

}  // namespace

std::string render_metrics(const std::vector<ArchiveReport>& archives,
                           const archive::Services& services, std::size_t connections)
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
    count("aptward_tunnels_total", "CONNECT tunnels: unprotected", counters.tunnels);
    count("aptward_tunnelled_bytes_total", "Bytes through tunnels: unprotected",
          counters.tunnelled_bytes->load());
    for (const auto& [code, times] : services.events.counts())
        families.counter(code.rfind("release.", 0) == 0 && code != "release.published"
                             ? "aptward_refusals_total"
                             : "aptward_events_total",
                         "Events by code", {{"code", code}}, static_cast<double>(times));
    for (const ArchiveReport& report : archives) {
        const std::string& id = report.archive->settings().id;
        families.gauge("aptward_archive_unverified", "1 for an archive that is not verified",
                       {{"archive", id}},
                       report.archive->settings().verify == archive::Verify::enforce ? 0 : 1);
        for (const auto& suite : report.suites)
            add_suite(families, id, suite);
        for (const auto& source : report.sources)
            add_source(families, id, source);
    }
    return families.text();
}

}  // namespace aptward::console
