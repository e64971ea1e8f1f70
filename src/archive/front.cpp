// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/front.h"

#include <fmt/format.h>

#include <algorithm>

#include "archive/deliveries.h"
#include "archive/hot_answers.h"
#include "archive/neighbours.h"
#include "archive/send.h"
#include "archive/snapshot_names.h"
#include "base/text.h"
#include "base/version.h"

namespace aptward::archive {
namespace {

constexpr std::chrono::milliseconds kDialLimit{5000};
constexpr std::uint16_t kHttps = 443;

std::string host_with_port(const http::Target& target)
{
    const std::string host =
        target.host.find(':') == std::string::npos ? target.host : "[" + target.host + "]";
    const std::uint16_t own = target.is_https ? 443 : 80;
    return target.port == own ? host : fmt::format("{}:{}", host, target.port);
}

bool is_asked_as_ourselves(const Routes& routes, const http::Target& target)
{
    const std::string name = fmt::format("{}:{}", target.host, target.port);
    const auto& own = routes.own_addresses;
    return std::find(own.begin(), own.end(), name) != own.end();
}

// "/HTTPS///host/path" behind the node's own address: apt-cacher-ng's way to name an https source.
bool is_https_form(std::string_view path)
{
    return path.substr(0, 7) == "/HTTPS/";
}

bool contain(const std::vector<Network>& networks, const std::string& address)
{
    return std::any_of(networks.begin(), networks.end(),
                       [&](const Network& network) { return network.contains(address); });
}

bool is_welcome(const Routes& routes, const std::string& address)
{
    return routes.clients.empty() || contain(routes.clients, address);
}

std::size_t find_ring(const Routes& routes, const std::string& address)
{
    for (std::size_t ring = 0; ring < routes.rings.size(); ++ring)
        if (contain(routes.rings[ring], address))
            return ring + 1;
    return 0;
}

// Which archive a proxy request means.
std::optional<PrefixMatch> find_claim(const Routes& routes, std::string_view host,
                                      std::string_view path)
{
    const auto match = find_prefix(routes.prefixes, host, path);
    return match ? match : find_prefix(routes.aliases, host, path);
}

// Whether the client wants more said, or less sent, than the whole file.
bool has_conditions(const http::RequestHead& head)
{
    return std::any_of(head.headers.begin(), head.headers.end(), [](const http::Header& header) {
        return equals_ignoring_case(header.name, "Range") ||
               equals_ignoring_case(header.name.substr(0, 3), "If-");
    });
}

}  // namespace

void Front::use(std::shared_ptr<const Routes> routes)
{
    admits_all_ = false;
    const bool admits_all = routes->clients.empty();
    routes_.store(std::move(routes));
    services_.hot_answers.forget();
    admits_all_ = admits_all;
}

std::shared_ptr<Archive> Front::find_archive(const std::string& id) const
{
    const auto routes = routes_.load();
    for (const auto& archive : routes->archives)
        if (archive->settings().id == id)
            return archive;
    return nullptr;
}

bool Front::admits(const std::string& address) const
{
    return is_welcome(*routes_.load(), address);
}

std::size_t Front::ring_of(const std::string& address) const
{
    return find_ring(*routes_.load(), address);
}

std::shared_ptr<Archive> Front::find_by_url(const std::string& url) const
{
    const auto routes = routes_.load();
    const Prefix place = read_prefix(url, 0);
    const auto& own = routes->own_addresses;
    if (std::find(own.begin(), own.end(), place.host) != own.end())
        return place.path.empty() ? nullptr : find_archive(place.path.substr(1));
    const auto match = find_claim(*routes, place.host, place.path);
    return match && match->path_bytes == place.path.size() ? routes->archives[match->archive]
                                                           : nullptr;
}

std::optional<http::ReadyAnswer> Front::find(const http::RequestHead& head,
                                             const http::Principal& principal)
{
    if (head.method != "GET" || has_conditions(head))
        return std::nullopt;
    auto found = services_.hot_answers.find(head.target);
    if (!found || (!admits_all_ && !is_welcome(*routes_.load(), principal.address)))
        return std::nullopt;
    const HotAnswer& hot = *found->answer;
    const store::HotBlob& blob = *found->blob;
    Counters& counters = services_.counters;
    ++counters.requests;
    ++counters.hits;
    http::ReadyAnswer ready;
    ready.head = hot.head;
    ready.body = blob.bytes;
    ready.file = blob.file.get();
    ready.file_bytes = hot.digest.size_bytes;
    ready.head_owner = std::move(found->answer);
    ready.body_owner = std::move(found->blob);
    return ready;
}

void Front::sent(const http::ReadyAnswer& answer, const http::Principal& principal,
                 http::ReadySent how)
{
    const auto& hot = *static_cast<const HotAnswer*>(answer.head_owner.get());
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    static_cast<const store::HotBlob*>(answer.body_owner.get())
        ->note_use(services_.blobs, hot.digest,
                   SystemTime(std::chrono::duration_cast<std::chrono::seconds>(now)));
    services_.counters.sent_bytes += how.body_bytes;
    services_.deliveries.add({std::chrono::duration_cast<std::chrono::milliseconds>(now).count(),
                              principal.address, hot.archive, hot.path, hot.hex, hot.generation, "",
                              how.body_bytes, 200, how.is_complete});
    if (!how.is_complete && how.is_file_unreadable)
        give_up_unreadable(services_, hot.archive, hot.digest);
}

http::Async<void> Front::answer(http::Exchange& exchange)
{
    // Before the routes: what is kept as ready under it was found in these or in later ones.
    const std::uint64_t moment = services_.hot_answers.moment();
    const auto routes = routes_.load();
    const std::string& address = exchange.principal().address;
    // In absolute form it would be a request to another machine.
    const bool is_neighbour =
        services_.neighbours != nullptr && exchange.target().form == http::Target::Form::origin &&
        is_for_neighbours(exchange.target()) && services_.neighbours->admits(address);
    if (!is_welcome(*routes, address) && !is_neighbour) {
        co_await send_refusal(exchange, 403, "client.not-allowed",
                              "this node's configuration (clients) does not list " + address,
                              services_.counters);
        co_return;
    }
    if (exchange.head().method == "CONNECT") {
        co_await connect(exchange, *routes);
        co_return;
    }
    if (exchange.head().method != "GET" && exchange.head().method != "HEAD") {
        http::Answer answer(405);
        answer.header("Allow", "GET, HEAD, CONNECT").type("text/plain; charset=utf-8");
        const std::string body = "request.method: an archive is read with GET and HEAD only\n";
        co_await exchange.send(std::move(answer), body);
        co_return;
    }
    co_await route(exchange, *routes, moment);
}

http::Async<void> Front::route(http::Exchange& exchange, const Routes& routes, std::uint64_t moment)
{
    const http::Target& target = exchange.target();
    const std::size_t ring = find_ring(routes, exchange.principal().address);
    std::string host;
    std::string path = target.path;
    bool is_https = target.is_https;
    if (target.form == http::Target::Form::absolute && !is_asked_as_ourselves(routes, target)) {
        host = host_with_port(target);
    } else if (is_https_form(path)) {
        const std::size_t slash = std::min(path.find('/', 7), path.size());
        host = path.substr(7, slash - 7);
        path = path.substr(slash);
        is_https = true;
    } else if (path.starts_with(kNeighbourPaths) && services_.neighbours != nullptr) {
        co_await services_.neighbours->answer(exchange);
        co_return;
    } else if (path == "/.well-known/aptward") {
        http::Answer answer(200);
        answer.type("application/json");
        const std::string body =
            fmt::format("{{\"program\":\"aptward\",\"version\":\"{}\"}}\n", version());
        co_await exchange.send(std::move(answer), body);
        co_return;
    }
    if (host.empty() && path == "/") {
        co_await explain_usage(exchange, routes);
        co_return;
    }
    if (!host.empty()) {
        if (const auto match = find_claim(routes, host, path)) {
            const std::string rest = path.substr(std::min(match->path_bytes + 1, path.size()));
            co_await routes.archives[match->archive]->serve(exchange, rest, moment, ring);
            co_return;
        }
        if (auto snapshot = read_vendor_snapshot(host, path)) {
            if (const auto match = find_claim(routes, snapshot->host, snapshot->path)) {
                co_await routes.archives[match->archive]->serve_snapshot(
                    exchange, std::move(snapshot->moment), std::move(snapshot->rest));
                co_return;
            }
        }
        Stranger stranger{host, path, is_https};
        co_await answer_stranger(exchange, routes, std::move(stranger));
        co_return;
    }
    auto snapshot = read_own_snapshot(path);
    for (const auto& archive : routes.archives) {
        const std::string& id = archive->settings().id;
        if (snapshot && snapshot->archive == id) {
            co_await archive->serve_snapshot(exchange, std::move(snapshot->moment),
                                             std::move(snapshot->rest));
            co_return;
        }
        if (path.size() > id.size() + 1 && path.compare(1, id.size(), id) == 0 &&
            path[id.size() + 1] == '/') {
            const std::string rest = path.substr(id.size() + 2);
            co_await archive->serve(exchange, rest, moment, ring);
            co_return;
        }
    }
    if (snapshot) {
        // "/snapshot/MOMENT/HOST/PATH": as apt can say it, which knows a source by its URI.
        const std::string place = "/" + snapshot->rest;
        if (const auto match = find_claim(routes, snapshot->archive, place)) {
            std::string rest = place.substr(std::min(match->path_bytes + 1, place.size()));
            co_await routes.archives[match->archive]->serve_snapshot(
                exchange, std::move(snapshot->moment), std::move(rest));
            co_return;
        }
        path = "/" + snapshot->archive;
    }
    co_await refuse_archive(exchange, routes, path);
}

http::Async<void> Front::refuse_archive(http::Exchange& exchange, const Routes& routes,
                                        std::string path)
{
    std::string ids;
    for (const auto& archive : routes.archives)
        ids += (ids.empty() ? "/" : ", /") + archive->settings().id;
    const std::string message =
        ids.empty() ? "this node has no archive: add an [[archive]] to its configuration"
                    : "no archive is below " + printable(path.substr(0, path.find('/', 1))) +
                          ": this node has " + ids + "; an [[archive]] with that id adds one";
    co_await send_refusal(exchange, 404, "archive.unknown", message, services_.counters);
}

// Debian's auto-apt-proxy knows a proxy for apt on port 3142 by the words "406 Usage information"
// at its root: apt-cacher-ng's habit. They name no program, and they are true.
http::Async<void> Front::explain_usage(http::Exchange& exchange, const Routes& routes)
{
    std::string body =
        "This is an Aptward node: a verifying proxy for apt archives.\n"
        "For apt: Acquire::http::Proxy \"http://THIS-HOST:PORT\"; or: aptward client setup\n";
    for (const auto& archive : routes.archives)
        body += "Also below: /" + archive->settings().id + "/\n";
    http::Answer answer(406);
    answer.reason = "Usage information";
    answer.type("text/plain; charset=utf-8");
    co_await exchange.send(std::move(answer), body);
}

http::Async<void> Front::connect(http::Exchange& exchange, const Routes& routes)
{
    const http::Target& target = exchange.target();
    const std::string name = fmt::format("{}:{}", target.host, target.port);
    const auto& listed = routes.connect_hosts;
    const bool is_listed = std::find(listed.begin(), listed.end(), name) != listed.end();
    if (!routes.allows_connect || (target.port != kHttps && !is_listed)) {
        co_await send_refusal(
            exchange, 403, "connect.not-allowed",
            "CONNECT to " + name + " is not allowed: only port 443, or what connect-hosts lists",
            services_.counters);
        co_return;
    }
    auto dialled = [host = target.host, port = target.port, is_listed] {
        return dial(host, port, is_listed, kDialLimit);
    };
    auto upstream = co_await http::on_worker(dialers_, std::move(dialled));
    if (!upstream) {
        const bool is_refused = upstream.error().code() == Errc::untrusted;
        const int status = is_refused ? 403 : 503;
        const std::string code = is_refused ? "connect.private-address" : "connect.failed";
        co_await send_refusal(exchange, status, code, upstream.error().message(),
                              services_.counters);
        co_return;
    }
    ++services_.counters.tunnels;
    http::Answer answer(200);
    Fd socket = std::move(*upstream);
    co_await exchange.tunnel(std::move(answer), std::move(socket),
                             services_.counters.tunnelled_bytes);
}

}  // namespace aptward::archive
