// SPDX-License-Identifier: GPL-3.0-or-later
#include "console/admin.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/version.h"
#include "console/answers.h"
#include "console/deliveries.h"
#include "console/jobs.h"
#include "console/proof.h"

namespace aptward::console {
namespace {

using Json = nlohmann::json;

std::string verify_name(archive::Verify verify)
{
    switch (verify) {
        case archive::Verify::enforce:
            return "enforce";
        case archive::Verify::observe:
            return "observe";
        case archive::Verify::unverified:
            return "unverified";
    }
    return "";
}

Json to_json(const archive::SuiteReport& suite)
{
    Json json = {{"suite", suite.suite},
                 {"generation", suite.generation},
                 {"signed_by", suite.signers},
                 {"indexes", suite.indexes},
                 {"pool_files", suite.pool_files},
                 {"verdict", {{"code", suite.verdict.code}, {"message", suite.verdict.message}}},
                 {"held", suite.held},
                 {"checked_at", to_unix(suite.checked_at)}};
    if (suite.date) {
        json["date"] = to_unix(*suite.date);
        json["date_text"] = deb::format_release_date(*suite.date);
    }
    if (suite.valid_until)
        json["valid_until"] = to_unix(*suite.valid_until);
    return json;
}

Json to_json(const fetch::SourceReport& source)
{
    Json faults = Json::object();
    for (std::size_t i = 0; i < source.faults.size(); ++i)
        if (source.faults[i] > 0)
            faults[std::string(to_string(static_cast<fetch::Fault>(i)))] = source.faults[i];
    return {{"url", source.url},
            {"health", source.is_open                                          ? "down"
                       : source.failures_in_a_row > 0                          ? "shaky"
                       : source.last_good_time.time_since_epoch().count() == 0 ? "untried"
                                                                               : "good"},
            {"latency_ms", source.latency_ms},
            {"rate_bytes_per_s", source.rate_bytes_per_s},
            {"bytes", source.bytes},
            {"failures_in_a_row", source.failures_in_a_row},
            {"faults", faults},
            {"last_fault", source.last_fault},
            {"last_fault_at", to_unix(source.last_fault_time)},
            {"last_good_at", to_unix(source.last_good_time)}};
}

http::Async<void> send_outcome(http::Exchange& exchange, Result<void> done, std::string word)
{
    const int status = done ? 200 : 409;
    const std::string text = (done ? word : done.error().message()) + "\n";
    co_await send_text(exchange, status, text);
}

}  // namespace

http::Async<std::vector<ArchiveReport>> gather(archive::Services& services,
                                               std::shared_ptr<const archive::Routes> routes)
{
    std::vector<ArchiveReport> reports;
    for (const auto& archive : routes->archives) {
        ArchiveReport report;
        auto signal = co_await http::make_signal();
        auto told = std::make_shared<ArchiveReport>();
        const auto look = [](std::shared_ptr<archive::Archive> from,
                             std::shared_ptr<ArchiveReport> to,
                             std::shared_ptr<http::Signal> done) -> http::Async<void> {
            to->suites = from->report();
            to->approved_keys = from->approved_keys();
            to->proposed_keys = from->proposed_keys();
            done->notify();
            co_return;
        };
        http::spawn(services.control, "report", look(archive, told, signal));
        const bool is_done = co_await signal->wait_until(steady_now() + std::chrono::seconds(2));
        if (is_done)
            report = std::move(*told);
        report.archive = archive;
        auto sources = co_await services.fetcher.report(archive->sources());
        report.sources = std::move(sources);
        reports.push_back(std::move(report));
    }
    co_return reports;
}

bool Admin::may_write(const http::Principal& principal) const
{
    if (!principal.is_local_socket)
        return false;
    return principal.uid == 0 || principal.uid == ::geteuid() ||
           std::find(writers_.begin(), writers_.end(), principal.uid) != writers_.end();
}

http::Async<std::string> Admin::status()
{
    const auto archives = co_await gather(services_, front_.routes());
    const archive::Counters& counters = services_.counters;
    Json document = {{"program", "aptward"},
                     {"version", version()},
                     {"ready", is_ready_.load()},
                     {"connections", loops_.connections()},
                     {"notes", notes_},
                     {"archives", Json::array()},
                     {"unproven",
                      {{"count", counters.unproven.load()},
                       {"proof", "none: no index names these files (auxiliary)"}}},
                     {"tunnels",
                      {{"count", counters.tunnels.load()},
                       {"bytes", counters.tunnelled_bytes->load()},
                       {"proof", "none: CONNECT traffic is neither verified nor kept"}}}};
    for (const ArchiveReport& report : archives) {
        Json suites = Json::array(), sources = Json::array();
        for (const auto& suite : report.suites)
            suites.push_back(to_json(suite));
        for (const auto& source : report.sources)
            sources.push_back(to_json(source));
        Json proposed = Json::array();
        for (const archive::ProposedKey& key : report.proposed_keys)
            proposed.push_back({{"fingerprint", key.fingerprint},
                                {"user_id", key.user_id},
                                {"vouched_by", key.vouched_by}});
        document["archives"].push_back({{"id", report.archive->settings().id},
                                        {"verify", verify_name(report.archive->settings().verify)},
                                        {"private", report.archive->settings().is_private},
                                        {"approved_keys", report.approved_keys},
                                        {"proposed_keys", proposed},
                                        {"suites", suites},
                                        {"sources", sources}});
    }
    co_return document.dump(1) + "\n";
}

http::Async<std::string> Admin::metrics()
{
    const auto archives = co_await gather(services_, front_.routes());
    co_return render_metrics(archives, services_, loops_.connections());
}

http::Async<std::string> Admin::events(std::string query)
{
    const std::int64_t after = number_parameter(query, "after", 0, 0, INT64_MAX);
    const auto limit = static_cast<std::size_t>(number_parameter(query, "limit", 200, 1, 10'000));
    auto read = [this, after, limit] { return services_.state.events(after, limit); };
    const auto events = co_await http::on_worker(services_.state_thread, read);
    Json list = Json::array();
    for (const catalog::Event& event : events)
        list.push_back({{"number", event.number},
                        {"time", to_unix(event.time)},
                        {"code", event.code},
                        {"archive", event.archive},
                        {"suite", event.suite},
                        {"source", event.source},
                        {"message", event.message},
                        {"who", event.who},
                        {"evidence", event.evidence}});
    co_return list.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::shared_ptr<archive::Archive> Admin::find_archive(const std::string& id) const
{
    for (const auto& archive : front_.routes()->archives)
        if (archive->settings().id == id)
            return archive;
    return nullptr;
}

// {"archive": "debian", "keys": ["40 hex digits", ...]}; no keys: all that are proposed.
http::Async<void> Admin::approve_keys(http::Exchange& exchange, std::string body)
{
    const Json request = Json::parse(body, nullptr, false);
    std::vector<std::string> keys;
    if (request.is_object() && request.contains("keys") && request["keys"].is_array())
        for (const Json& key : request["keys"])
            keys.push_back(key.is_string() ? key.get<std::string>() : std::string());
    const auto target = find_archive(request.is_object() ? request.value("archive", "") : "");
    if (!target) {
        co_await send_text(exchange, 404, "archive.unknown: no such archive\n");
        co_return;
    }
    const std::string who = "uid " + std::to_string(exchange.principal().uid);
    auto done = co_await target->approve_keys(std::move(keys), who);
    co_await send_outcome(exchange, done, "approved");
}

http::Async<void> Admin::change(http::Exchange& exchange)
{
    const std::string& path = exchange.target().path;
    if (!may_write(exchange.principal())) {
        co_await send_text(exchange, 403,
                           "admin.read-only: changes go over the Unix socket, by root, the node's "
                           "own user or admin-users\n");
        co_return;
    }
    auto body = co_await exchange.read_body(64 * 1024);
    if (!body) {
        co_await send_text(exchange, 400, "request.malformed: " + body.error().message() + "\n");
        co_return;
    }
    if (path == "/api/v1/reload" && actions_.reload) {
        auto reload = [this] { return actions_.reload(); };
        const auto done = co_await http::on_worker(services_.workers, reload);
        co_await send_outcome(exchange, done, "reloaded");
        co_return;
    }
    if (path == "/api/v1/keys/approve") {
        std::string request = std::move(*body);
        co_await approve_keys(exchange, std::move(request));
        co_return;
    }
    if (path.rfind("/api/v1/jobs", 0) == 0) {
        const std::string who = "uid " + std::to_string(exchange.principal().uid);
        co_await change_jobs(exchange, services_, *body, who);
        co_return;
    }
    if (path == "/api/v1/approve") {
        const Json request = Json::parse(*body, nullptr, false);
        if (!request.is_object() || !request.contains("archive") || !request.contains("suite") ||
            !request.contains("release")) {
            co_await send_text(exchange, 400,
                               "request.malformed: archive, suite and release are wanted\n");
            co_return;
        }
        const auto target = find_archive(request.value("archive", ""));
        if (!target) {
            co_await send_text(exchange, 404, "archive.unknown: no such archive\n");
            co_return;
        }
        const std::string who = "uid " + std::to_string(exchange.principal().uid);
        const std::string suite = request.value("suite", "");
        const std::string release = request.value("release", "");
        auto done = co_await target->approve(suite, release, who);
        co_await send_outcome(exchange, done, "approved");
        co_return;
    }
    co_await send_text(exchange, 404, "request.unknown: there is no such action\n");
}

http::Async<void> Admin::answer(http::Exchange& exchange)
{
    const std::string path = exchange.target().path;
    const std::string_view method = exchange.head().method;
    if (method == "POST") {
        co_await change(exchange);
    } else if (method != "GET" && method != "HEAD") {
        co_await send_text(exchange, 405, "request.method: GET or POST\n");
    } else if (path == "/healthz") {
        co_await send_text(exchange, 200, "ok\n");
    } else if (path == "/readyz") {
        const bool is_ready = is_ready_;
        const std::string text = is_ready ? "ready\n" : "starting\n";
        const int status = is_ready ? 200 : 503;
        co_await send_text(exchange, status, text);
    } else if (path == "/metrics") {
        const std::string text = co_await metrics();
        http::Answer answer(200);
        answer.type("text/plain; version=0.0.4; charset=utf-8");
        co_await exchange.send(std::move(answer), text);
    } else if (path == "/api/v1/status") {
        const std::string text = co_await status();
        co_await send_json(exchange, text);
    } else if (path == "/api/v1/events") {
        const std::string query(exchange.target().query);
        const std::string text = co_await events(query);
        co_await send_json(exchange, text);
    } else if (path == "/api/v1/proof") {
        co_await answer_proof(exchange, services_, front_.routes());
    } else if (path == "/api/v1/deliveries") {
        co_await show_deliveries(exchange, services_);
    } else if (path == "/api/v1/jobs" || path.rfind("/api/v1/jobs/", 0) == 0) {
        co_await show_jobs(exchange, services_);
    } else {
        co_await send_text(
            exchange, 404,
            "request.unknown: there are /healthz, /readyz, /metrics, /api/v1/status, "
            "/api/v1/events, /api/v1/proof, /api/v1/deliveries, /api/v1/jobs\n");
    }
}

}  // namespace aptward::console
