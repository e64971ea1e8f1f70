// SPDX-License-Identifier: GPL-3.0-or-later
#include "console/admin.h"

#include <nlohmann/json.hpp>

#include "archive/apt_cache.h"
#include "archive/mending.h"
#include "base/version.h"
#include "console/answers.h"
#include "console/blob_service.h"
#include "console/deliveries.h"
#include "console/drill.h"
#include "console/jobs.h"
#include "console/orders.h"
#include "console/peers.h"
#include "console/proof.h"
#include "console/stock.h"
#include "console/torrents.h"

namespace aptward::console {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::seconds kPingLimit{10};
constexpr std::size_t kMaxJobBytes = 1024 * 1024;  // a list of packages may be long

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
                 {"signers_not_in_keyring", suite.unknown_signers},
                 {"observed", suite.observed},
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

// Null: apt's own files are not looked at.
Json to_json(const archive::AptCache* cache)
{
    if (cache == nullptr)
        return nullptr;
    const auto report = cache->report();
    return {{"files", report.files}, {"bytes", report.bytes}};
}

Json generations_of(const catalog::ArchiveView& view)
{
    Json suites = Json::object();
    for (const auto& [name, suite] : view.suites)
        if (suite.current)
            suites[name] = {{"generation", suite.current->id()},
                            {"signed_by", suite.current->verified().signers()},
                            {"date", to_unix(suite.current->date())},
                            {"date_text", deb::format_release_date(suite.current->date())}};
    return suites;
}

Json rings_of(const archive::Archive& archive)
{
    Json rings = Json::array();
    for (const archive::RingReport& ring : archive.ring_reports())
        rings.push_back({{"ring", ring.ring}, {"behind", generations_of(ring.behind)}});
    return rings;
}

// What ought to be held and no source gave when it was looked for last.
Json unmended_of(const archive::Jobs& jobs)
{
    const auto last = archive::last_look(jobs).value_or(archive::LastLook{});
    Json files = Json::array();
    for (const auto& file : last.mending.unmended_files)
        files.push_back({{"name", file.name}, {"why", file.why}});
    return {{"count", last.mending.unmended}, {"files", files}, {"at", to_unix(last.at)}};
}

// Null without a quota; before the first count only what it is.
Json to_json(const archive::Quota& quota, const store::Blobs& blobs)
{
    if (quota.bytes() == 0)
        return nullptr;
    Json json = {{"bytes", quota.bytes()}, {"over_bytes", quota.over_bytes()}};
    if (const auto count = quota.count()) {
        json["held_bytes"] = held_now(*count, blobs.stored_bytes());
        json["kept_bytes"] = count->kept_bytes;
        json["hot_bytes"] = count->hot_bytes;
        json["what_stays"] = what_stays(*count);
    }
    return json;
}

// Null when the archive is not frozen.
Json to_json(const ArchiveReport& report)
{
    if (!report.frozen)
        return nullptr;
    const auto& order = report.frozen->order;
    const auto& past = report.frozen->past;
    return {{"suites", past ? generations_of(past->view) : Json::object()},
            {"not_had", past ? Json(past->lost) : Json::object()},
            {"at", to_unix(order.at)},
            {"stamp", catalog::format_stamp(order.at)},
            {"since", to_unix(order.since)},
            {"who", order.who},
            {"clients_with_newer_lists", report.newer_clients}};
}

}  // namespace

http::Async<std::vector<ArchiveReport>> gather(archive::Services& services,
                                               std::shared_ptr<const archive::Routes> routes,
                                               Sources whose)
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
            to->revoked_keys = from->revoked_keys();
            to->proposed_keys = from->proposed_keys();
            to->frozen = from->past().frozen();
            to->newer_clients = from->past().newer_clients();
            done->notify();
            co_return;
        };
        http::spawn(services.control, "report", look(archive, told, signal));
        const bool is_done = co_await signal->wait_until(steady_now() + std::chrono::seconds(2));
        if (is_done)
            report = std::move(*told);
        report.archive = archive;
        std::vector<fetch::SourcePtr> shown =
            whose == Sources::asked ? archive->asked() : archive->sources();
        for (const auto& host : archive->snapshot_hosts())
            shown.push_back(host.source);
        auto sources = co_await services.fetcher.report(std::move(shown));
        report.sources = std::move(sources);
        reports.push_back(std::move(report));
    }
    co_return reports;
}

http::Async<std::string> Admin::status()
{
    const auto archives = co_await gather(services_, front_.routes(), Sources::asked);
    const auto peers = co_await describe(peers_);
    const auto service = co_await look_at_blob_service(services_);
    const archive::Counters& counters = services_.counters;
    Json document = {{"program", "aptward"},
                     {"version", version()},
                     {"ready", is_ready_.load()},
                     {"connections", loops_.connections()},
                     {"notes", *notes_.load()},
                     {"drill", to_json(drill_.running())},
                     {"unmended", unmended_of(services_.jobs)},
                     {"quota", to_json(quota_, services_.blobs)},
                     {"peers", peers["peers"]},
                     {"discovery", peers["discovery"]},
                     {"swarm", peers["swarm"]},
                     {"dht", peers["dht"]},
                     {"blob_service", to_json(service)},
                     {"apt_cache", to_json(services_.apt_cache)},
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
            sources.push_back(console::to_json(source));
        Json proposed = Json::array();
        for (const archive::ProposedKey& key : report.proposed_keys)
            proposed.push_back({{"fingerprint", key.fingerprint},
                                {"user_id", key.user_id},
                                {"vouched_by", key.vouched_by}});
        document["archives"].push_back({{"id", report.archive->settings().id},
                                        {"verify", verify_name(report.archive->settings().verify)},
                                        {"private", report.archive->settings().is_private},
                                        {"approved_keys", report.approved_keys},
                                        {"revoked_keys", report.revoked_keys},
                                        {"proposed_keys", proposed},
                                        {"frozen", to_json(report)},
                                        {"rings", rings_of(*report.archive)},
                                        {"suites", suites},
                                        {"sources", sources}});
    }
    co_return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Admin::Admin(archive::Services& services, archive::Front& front, archive::Drill& drill,
             stock::Stock& stock, peer::Peers& peers, const archive::Quota& quota,
             const http::Loops& loops)
    : services_(services),
      front_(front),
      drill_(drill),
      stock_(stock),
      peers_(peers),
      quota_(quota),
      loops_(loops)
{
    add("/healthz", "GET", http::Role::viewer, &Admin::answer_healthz);
    add("/readyz", "GET", http::Role::viewer, &Admin::answer_readyz);
    add("/metrics", "GET", http::Role::viewer, &Admin::answer_metrics);
    add("/api/v1/status", "GET", http::Role::viewer, &Admin::answer_status);
    add("/api/v1/events", "GET", http::Role::viewer, &Admin::answer_events);
    add("/api/v1/unknown-hosts", "GET", http::Role::viewer, &Admin::answer_strangers);
    add("/api/v1/proof", "GET", http::Role::viewer, &Admin::answer_proof_of);
    add("/api/v1/deliveries", "GET", http::Role::viewer, &Admin::answer_deliveries);
    for (const char* path : {"/api/v1/jobs", "/api/v1/jobs/"}) {
        add(path, "GET", http::Role::viewer, &Admin::answer_jobs);
        add(path, "POST", http::Role::operating, &Admin::change_job, kMaxJobBytes);
    }
    add("/api/v1/approve", "POST", http::Role::operating, &Admin::approve);
    add("/api/v1/keys/approve", "POST", http::Role::operating, &Admin::approve_keys);
    add("/api/v1/keys/revoke", "POST", http::Role::operating, &Admin::revoke_key);
    add("/api/v1/snapshots", "GET", http::Role::viewer, &Admin::answer_snapshots);
    add("/api/v1/snapshots/diff", "GET", http::Role::viewer, &Admin::answer_diff);
    add("/api/v1/snapshots", "POST", http::Role::operating, &Admin::keep_snapshot);
    add("/api/v1/snapshots/drop", "POST", http::Role::operating, &Admin::drop_snapshot);
    add("/api/v1/freeze", "POST", http::Role::operating, &Admin::freeze);
    add("/api/v1/thaw", "POST", http::Role::operating, &Admin::thaw);
    add("/api/v1/peers", "GET", http::Role::viewer, &Admin::answer_peers);
    add("/api/v1/peers", "POST", http::Role::operating, &Admin::add_peer);
    add("/api/v1/peers/remove", "POST", http::Role::operating, &Admin::remove_peer);
    add("/api/v1/peers/ping", "POST", http::Role::operating, &Admin::ping_peers);
    add("/api/v1/torrents", "GET", http::Role::viewer, &Admin::answer_torrents);
    add("/api/v1/torrents/stop", "POST", http::Role::operating, &Admin::stop_torrent);
    add("/api/v1/drill", "GET", http::Role::viewer, &Admin::answer_drill);
    add("/api/v1/drill", "POST", http::Role::operating, &Admin::drill);
    add("/api/v1/drill/end", "POST", http::Role::operating, &Admin::end_drill);
    add(kReportPath, "POST", http::Role::viewer, &Admin::take_report, stock::kMostReportBytes);
    add("/api/v1/machines", "GET", http::Role::viewer, &Admin::answer_machines);
    add("/api/v1/machines/forget", "POST", http::Role::operating, &Admin::forget_machine);
    add("/api/v1/stock", "POST", http::Role::viewer, &Admin::answer_stock, kMaxJobBytes);
}

void Admin::add(const char* path, const char* method, http::Role least_role,
                http::Async<void> (Admin::*handler)(http::Exchange&), std::uint64_t body_limit)
{
    http::Route route;
    route.body_limit = body_limit;
    route.path = path;
    route.methods = {method};
    route.least_role = least_role;
    route.handler = [this, handler](http::Exchange& exchange) {
        return (this->*handler)(exchange);
    };
    router_.add(std::move(route));
}

void Admin::set_actions(AdminActions actions)
{
    actions_ = std::move(actions);
    add("/api/v1/reload", "POST", http::Role::operating, &Admin::reload);
}

http::Async<void> Admin::answer_proof_of(http::Exchange& exchange)
{
    co_await answer_proof(exchange, services_, front_.routes());
}

http::Async<void> Admin::answer_strangers(http::Exchange& exchange)
{
    Json list = Json::array();
    for (const archive::Strangers::Place& place : front_.strangers().all())
        list.push_back({{"host", place.host},
                        {"folder", place.folder},
                        {"https", place.is_https},
                        {"requests", place.requests},
                        {"clients", place.clients.size()},
                        {"last", to_unix(place.last)}});
    const std::string text = list.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
    co_await send_json(exchange, text);
}

http::Async<void> Admin::answer_deliveries(http::Exchange& exchange)
{
    co_await show_deliveries(exchange, services_);
}

http::Async<void> Admin::answer_drill(http::Exchange& exchange)
{
    co_await show_stock(exchange, services_, front_);
}

http::Async<void> Admin::drill(http::Exchange& exchange)
{
    Order order = co_await read_order(exchange, front_, is_reloading_);
    if (!order.archive)
        co_return;
    co_await start_drill(exchange, services_, drill_, std::move(order));
}

http::Async<void> Admin::end_drill(http::Exchange& exchange)
{
    co_await console::end_drill(exchange, services_, drill_);
}

http::Async<void> Admin::answer_jobs(http::Exchange& exchange)
{
    co_await show_jobs(exchange, services_);
}

http::Async<void> Admin::change_job(http::Exchange& exchange)
{
    auto body = co_await exchange.read_body(kMaxJobBytes);
    if (!body) {
        co_await send_text(exchange, 400, "request.malformed: " + body.error().message() + "\n");
        co_return;
    }
    std::string request = std::move(*body);
    const std::string who = exchange.principal().who();
    co_await change_jobs(exchange, services_, std::move(request), who);
}

http::Async<void> Admin::answer(http::Exchange& exchange)
{
    return router_.answer(exchange);
}

bool Admin::is_asked(const http::Exchange& exchange) const
{
    const http::Target& target = exchange.target();
    return target.form == http::Target::Form::origin && router_.has_path("", target.path);
}

http::Async<void> Admin::answer_peers(http::Exchange& exchange)
{
    const auto found = co_await describe(peers_);
    co_await send_json(exchange, found.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

http::Async<void> Admin::answer_torrents(http::Exchange& exchange)
{
    const auto found = co_await describe_torrents(peers_);
    co_await send_json(exchange, found.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

// Answers as answer_peers() does, of a look that was begun now.
http::Async<void> Admin::ping_peers(http::Exchange& exchange)
{
    const auto look = [&peers = peers_]() -> http::Task<bool> {
        co_await peers.look_at_all();
        co_return true;
    };
    const auto looked =
        co_await http::on_loop(services_.control, "pinging peers", look, steady_now() + kPingLimit);
    if (!looked) {
        co_await send_text(exchange, 503, "node.busy: " + looked.error().message() + "\n");
        co_return;
    }
    co_await answer_peers(exchange);
}

bool Admin::is_for_clients(const http::Exchange& exchange) const
{
    const http::Target& target = exchange.target();
    return target.form == http::Target::Form::origin && target.path == kReportPath;
}

http::Async<void> Admin::take_report(http::Exchange& exchange)
{
    co_await console::take_report(exchange, services_, front_, stock_);
}

http::Async<void> Admin::answer_machines(http::Exchange& exchange)
{
    co_await show_machines(exchange, services_, stock_);
}

http::Async<void> Admin::forget_machine(http::Exchange& exchange)
{
    co_await console::forget_machine(exchange, services_, stock_);
}

http::Async<void> Admin::answer_stock(http::Exchange& exchange)
{
    co_await show_stock_of(exchange, stock_);
}

http::Async<void> Admin::answer_healthz(http::Exchange& exchange)
{
    co_await send_text(exchange, 200, "ok\n");
}

http::Async<void> Admin::answer_readyz(http::Exchange& exchange)
{
    const bool is_ready = is_ready_;
    const std::string text = is_ready ? "ready\n" : "starting\n";
    const int status = is_ready ? 200 : 503;
    co_await send_text(exchange, status, text);
}

http::Async<void> Admin::answer_metrics(http::Exchange& exchange)
{
    const auto archives = co_await gather(services_, front_.routes(), Sources::configured);
    const auto peers = co_await peers_.report();
    const auto service = co_await look_at_blob_service(services_);
    const std::string text = render_metrics(archives, peers, peers_.given(), peers_.swarm(),
                                            service, services_, quota_, loops_.connections());
    http::Answer answer(200);
    answer.type("text/plain; version=0.0.4; charset=utf-8");
    co_await exchange.send(std::move(answer), text);
}

http::Async<void> Admin::answer_status(http::Exchange& exchange)
{
    const std::string text = co_await status();
    co_await send_json(exchange, text);
}

}  // namespace aptward::console
