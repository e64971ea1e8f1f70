// SPDX-License-Identifier: GPL-3.0-or-later
// What operators can change through the admin port, and what they need to see for that.
#include <fmt/format.h>

#include <algorithm>

#include "archive/eviction_job.h"
#include "archive/past.h"
#include "archive/snapshot_diff.h"
#include "archive/unknown_archive.h"
#include "base/text.h"
#include "console/admin.h"
#include "console/answers.h"
#include "console/orders.h"

namespace aptward::console {
namespace {

using Json = nlohmann::json;

Result<std::string> say(const Result<void>& done, const char* word)
{
    if (done)
        return word;
    return tl::unexpected<Error>(done.error());
}

// An order goes on when nobody waits for it any more: longer than it can take, and less than the
// command waits.
constexpr std::chrono::seconds kOrderLimit{40};
constexpr std::chrono::seconds kWalkLimit{10};
constexpr std::int64_t kYear10000 = 253'402'300'800;

// The moment of an order: its "at", in seconds since 1970, else now.
SystemTime moment_of(const Order& order)
{
    const auto at = order.request.find("at");
    if (at == order.request.end() || !at->is_number_integer())
        return system_now();
    return from_unix(std::clamp<std::int64_t>(at->get<std::int64_t>(), 0, kYear10000 - 1));
}

// The same, or that of the snapshot which is named.
http::Task<std::string> freeze_at(archive::Past& past, Order order)
{
    SystemTime at = moment_of(order);
    const std::string name = order.text("snapshot");
    if (!name.empty()) {
        CO_TRY(at, past.moment_of(name));
    }
    co_return co_await past.freeze(at, order.who);
}

Json to_json(const archive::PackageChange& change)
{
    return {{"change", to_string(change.kind)},
            {"package", change.package},
            {"architecture", change.architecture},
            {"from", change.from},
            {"to", change.to},
            {"source", change.source},
            {"bytes", change.bytes},
            {"changelog", change.changelog}};
}

std::string to_json(const archive::PastView& before, const archive::PastView& after,
                    const std::vector<archive::SuiteDiff>& diffs)
{
    Json suites = Json::array();
    for (const archive::SuiteDiff& diff : diffs) {
        Json changes = Json::array();
        for (const archive::PackageChange& change : diff.changes)
            changes.push_back(to_json(change));
        suites.push_back({{"suite", diff.suite},
                          {"from", diff.from},
                          {"to", diff.to},
                          {"changes", std::move(changes)},
                          {"lost", diff.lost},
                          {"unread", diff.unread}});
    }
    const Json document = {{"from", catalog::format_stamp(before.at)},
                           {"to", catalog::format_stamp(after.at)},
                           {"suites", std::move(suites)}};
    return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

http::Async<void> Admin::reload(http::Exchange& exchange)
{
    auto reload = [this] { return actions_.reload(); };
    const auto done = co_await http::on_worker(services_.workers, reload);
    co_await send_outcome(exchange, say(done, "reloaded"));
}

http::Async<void> Admin::approve(http::Exchange& exchange)
{
    const Order order = co_await read_order(exchange, front_, is_reloading_);
    if (!order.archive)
        co_return;
    const std::string suite = order.text("suite");
    const std::string release = order.text("release");
    if (suite.empty() || release.empty()) {
        co_await send_text(
            exchange, 400,
            "request.malformed: archive, suite and release are wanted; send "
            "{\"archive\": ID, \"suite\": NAME, \"release\": ID of aptward events}\n");
        co_return;
    }
    const auto done = co_await order.archive->approve(suite, release, order.who);
    co_await send_outcome(exchange, say(done, "approved"));
}

// {"archive": "debian", "keys": ["40 hex digits", ...]}; no keys: all that are proposed.
http::Async<void> Admin::approve_keys(http::Exchange& exchange)
{
    const Order order = co_await read_order(exchange, front_, is_reloading_);
    if (!order.archive)
        co_return;
    std::vector<std::string> keys;
    if (order.request.contains("keys") && order.request["keys"].is_array())
        for (const Json& key : order.request["keys"])
            keys.push_back(key.is_string() ? key.get<std::string>() : std::string());
    const auto done = co_await order.archive->approve_keys(std::move(keys), order.who);
    co_await send_outcome(exchange, say(done, "approved"));
}

// {"archive": "debian", "key": "40 hex digits"}
http::Async<void> Admin::revoke_key(http::Exchange& exchange)
{
    const Order order = co_await read_order(exchange, front_, is_reloading_);
    if (!order.archive)
        co_return;
    const std::string key = order.text("key");
    const auto done = co_await order.archive->revoke_key(key, order.who);
    co_await send_outcome(exchange, say(done, "revoked"));
}

// Each gives a sentence, or why not.
http::Task<std::string> Admin::order_past(Order order, PastOrder order_of)
{
    auto make = [order, order_of] { return order_of(order.archive->past(), order); };
    const SteadyTime deadline = steady_now() + kOrderLimit;
    co_return co_await http::on_loop(services_.control, "an order about the past", std::move(make),
                                     deadline);
}

http::Async<void> Admin::change_past(http::Exchange& exchange, PastOrder order_of)
{
    const Order order = co_await read_order(exchange, front_, is_reloading_);
    if (!order.archive)
        co_return;
    auto sentence = co_await order_past(order, order_of);
    co_await send_outcome(exchange, std::move(sentence));
}

http::Async<void> Admin::change_peers(http::Exchange& exchange, PeerOrder order_of)
{
    auto order = co_await read_plain_order(exchange, is_reloading_);
    if (!order)
        co_return;
    auto make = [&peers = peers_, order = std::move(*order), order_of] {
        return order_of(peers, order);
    };
    const SteadyTime deadline = steady_now() + kOrderLimit;
    auto sentence = co_await http::on_loop(services_.control, "an order about peers",
                                           std::move(make), deadline);
    co_await send_outcome(exchange, std::move(sentence));
}

// {"url": "http://b.example:3142", "identity": "NAME+ID+KEY"}; the second may be left out.
http::Async<void> Admin::add_peer(http::Exchange& exchange)
{
    const PeerOrder order_of = [](peer::Peers& peers, const Order& order) {
        return peers.add(order.text("url"), order.text("identity"), order.who);
    };
    co_await change_peers(exchange, order_of);
}

// {"url": "http://b.example:3142"}
http::Async<void> Admin::remove_peer(http::Exchange& exchange)
{
    const PeerOrder order_of = [](peer::Peers& peers, const Order& order) {
        return peers.remove(order.text("url"), order.who);
    };
    co_await change_peers(exchange, order_of);
}

// {"magnet": LINK or info hash}
http::Async<void> Admin::stop_torrent(http::Exchange& exchange)
{
    const PeerOrder order_of = [](peer::Peers& peers, const Order& order) {
        return peers.stop_torrent(order.text("magnet"), order.who);
    };
    co_await change_peers(exchange, order_of);
}

// {"archive": "debian", "at": SECONDS}, or "snapshot": NAME; neither: now.
http::Async<void> Admin::freeze(http::Exchange& exchange)
{
    const PastOrder order_of = [](archive::Past& past, const Order& order) {
        return freeze_at(past, order);
    };
    co_await change_past(exchange, order_of);
}

// {"archive": "debian"}
http::Async<void> Admin::thaw(http::Exchange& exchange)
{
    const PastOrder order_of = [](archive::Past& past, const Order& order) {
        return past.thaw(order.who);
    };
    co_await change_past(exchange, order_of);
}

// {"archive": "debian", "name": "before-upgrade", "at": SECONDS}; no time: now; no name: its stamp.
http::Async<void> Admin::keep_snapshot(http::Exchange& exchange)
{
    const PastOrder order_of = [](archive::Past& past, const Order& order) {
        return past.keep(order.text("name"), moment_of(order), order.who);
    };
    const Order order = co_await read_order(exchange, front_, is_reloading_);
    if (!order.archive)
        co_return;
    auto sentence = co_await order_past(order, order_of);
    if (sentence && quota_.bytes() > 0) {
        const std::string warning = co_await quota_after_pin();
        *sentence += warning;
    }
    co_await send_outcome(exchange, std::move(sentence));
}

// Empty when the quota can hold. Of a million files it may take longer than somebody waits.
http::Async<std::string> Admin::quota_after_pin()
{
    auto look = [&services = services_, &front = front_, hot_for = quota_.hot_for()] {
        const auto find = [&front](const std::string& id) { return front.find_archive(id); };
        const auto goes_on = [until = steady_now() + kWalkLimit] { return steady_now() < until; };
        return archive::count_what_stays(services, find, hot_for, goes_on);
    };
    const auto count = co_await http::on_worker(services_.workers, std::move(look));
    if (!count)
        co_return "; whether the quota can hold is said by aptward doctor after a collection";
    if (count->kept_bytes + count->hot_bytes <= quota_.bytes())
        co_return "";
    co_return fmt::format(
        "; but the quota of {} cannot hold any more: {}; raise it, or drop snapshots (aptward "
        "snapshot drop)",
        human_size(quota_.bytes()), what_stays(*count));
}

// {"archive": "debian", "name": "before-upgrade"}
http::Async<void> Admin::drop_snapshot(http::Exchange& exchange)
{
    const PastOrder order_of = [](archive::Past& past, const Order& order) {
        return past.drop(order.text("name"), order.who);
    };
    co_await change_past(exchange, order_of);
}

// ?archive=ID&from=MOMENT&to=MOMENT; without `to` what is served now.
http::Async<void> Admin::answer_diff(http::Exchange& exchange)
{
    constexpr std::size_t kChangelogs = 50;
    const std::string_view query = exchange.target().query;
    const std::string id = parameter(query, "archive").value_or("");
    const auto archive = front_.find_archive(id);
    if (!archive) {
        const std::string why = archive::unknown_archive(id);
        co_await send_text(exchange, 404, "archive.unknown: " + why + "\n");
        co_return;
    }
    std::vector<archive::PastViewPtr> views;
    for (const char* side : {"from", "to"}) {
        const std::string text =
            parameter(query, side).value_or(catalog::format_stamp(system_now()));
        auto at = co_await archive->look_at_moment(text);
        if (at.past == nullptr) {
            const std::string why = at.code + ": " + at.message + "\n";
            co_await send_text(exchange, at.status, why);
            co_return;
        }
        views.push_back(std::move(at.past));
    }
    auto compare = [this, views] {
        return archive::diff_views(services_.blobs, *views[0], *views[1], kChangelogs)
            .map([&](const auto& diffs) { return to_json(*views[0], *views[1], diffs); });
    };
    auto text = co_await http::on_worker(services_.workers, std::move(compare));
    if (!text) {
        co_await send_text(exchange, 500, "snapshot.unreadable: " + text.error().message() + "\n");
        co_return;
    }
    co_await send_json(exchange, std::move(*text));
}

http::Async<void> Admin::answer_snapshots(http::Exchange& exchange)
{
    Json document = Json::array();
    const auto routes = front_.routes();
    for (const auto& archive : routes->archives) {
        auto make = [archive]() -> http::Task<std::vector<archive::PastGeneration>> {
            co_return archive->past().generations();
        };
        const SteadyTime deadline = steady_now() + archive::kControlLimit;
        const auto generations =
            co_await http::on_loop(services_.control, "snapshots", std::move(make), deadline);
        Json list = Json::array();
        if (generations)
            for (const archive::PastGeneration& one : *generations)
                list.push_back({{"suite", one.suite},
                                {"release", one.published.release},
                                {"date", to_unix(one.published.date)},
                                {"stamp", catalog::format_stamp(one.published.date)},
                                {"published", to_unix(one.published.published)},
                                {"from_host", one.published.stood_at.has_value()}});
        Json names = Json::array();
        for (const auto& [name, at] : archive->past().snapshots())
            names.push_back(
                {{"name", name}, {"at", to_unix(at)}, {"stamp", catalog::format_stamp(at)}});
        document.push_back({{"archive", archive->settings().id},
                            {"generations", std::move(list)},
                            {"snapshots", std::move(names)}});
    }
    const std::string text = document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
    co_await send_json(exchange, text);
}

}  // namespace aptward::console
