// SPDX-License-Identifier: GPL-3.0-or-later
#include "http/router.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace aptward::http {
namespace {

// The host a request means: of its target, else of its Host header (without the port).
std::string host_of(const Exchange& exchange)
{
    if (!exchange.target().host.empty())
        return exchange.target().host;
    const std::string host = to_lower(exchange.head().header("Host").value_or(""));
    if (host.starts_with('['))
        return host.substr(1, std::min(host.find(']'), host.size()) - 1);
    return host.substr(0, host.find(':'));
}

bool takes_method(const Route& route, std::string_view method)
{
    const std::string_view wanted = method == "HEAD" ? "GET" : method;
    return std::find(route.methods.begin(), route.methods.end(), wanted) != route.methods.end();
}

void add_allowed(std::string& allowed, const std::vector<std::string>& methods)
{
    for (const std::string& method : methods) {
        if (!allowed.empty())
            allowed += ", ";
        allowed += method == "GET" ? "GET, HEAD" : method;
    }
}

}  // namespace

bool Router::is_of(const Route& route, std::string_view host, std::string_view path) const
{
    if (!route.host.empty() && route.host != host)
        return false;
    return route.path.ends_with('/') ? path.starts_with(route.path) : path == route.path;
}

Router::Match Router::match(std::string_view method, std::string_view host,
                            std::string_view path) const
{
    const Route* best = nullptr;
    for (const Route& route : routes_) {
        if (!is_of(route, host, path))
            continue;
        if (best == nullptr || route.path.size() > best->path.size() ||
            (route.path == best->path && best->host.empty()))
            best = &route;
    }
    Match match;
    if (best == nullptr)
        return match;
    // Several routes may share the place that won, one per method.
    for (const Route& route : routes_) {
        if (route.path != best->path || route.host != best->host)
            continue;
        if (takes_method(route, method))
            return {Match::Outcome::found, &route, ""};
        add_allowed(match.allowed, route.methods);
    }
    match.outcome = Match::Outcome::no_method;
    return match;
}

bool Router::has_path(std::string_view host, std::string_view path) const
{
    return std::any_of(routes_.begin(), routes_.end(),
                       [&](const Route& route) { return is_of(route, host, path); });
}

std::string Router::known_paths() const
{
    std::vector<std::string> paths;
    for (const Route& route : routes_)
        if (std::find(paths.begin(), paths.end(), route.path) == paths.end())
            paths.push_back(route.path);
    std::string text;
    for (const std::string& path : paths)
        text += (text.empty() ? "" : ", ") + path;
    return text;
}

Async<void> Router::answer(Exchange& exchange) const
{
    const std::string host = host_of(exchange);
    const Match found = match(exchange.head().method, host, exchange.target().path);
    const Principal& principal = exchange.principal();
    Answer answer(404);
    std::string text = "request.unknown: there are " + known_paths() + "\n";
    if (found.outcome == Match::Outcome::no_method) {
        answer.status = 405;
        answer.header("Allow", found.allowed);
        text = "request.method: this path takes " + found.allowed + "\n";
    } else if (found.route != nullptr && principal.role >= found.route->least_role) {
        exchange.limit_body(found.route->body_limit);
        co_await found.route->handler(exchange);
        co_return;
    } else if (found.route != nullptr) {
        const bool has_shown_one = principal.recognised_by == Authentication::token;
        answer.status = principal.may_show_token && !has_shown_one ? 401 : 403;
        if (answer.status == 401)
            answer.header("WWW-Authenticate", "Bearer realm=\"aptward\"");
        text = fmt::format(
            "{}.role: this needs the role {}; {} has the role {} (the Unix socket gives admin to "
            "root, the node's own user and admin-users; a [[listener]] gives roles to tokens and "
            "certificates)\n",
            service_, to_string(found.route->least_role), principal.who(),
            to_string(principal.role));
    }
    answer.type("text/plain; charset=utf-8");
    co_await exchange.send(std::move(answer), text);
}

}  // namespace aptward::http
