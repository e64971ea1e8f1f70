// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Which handler answers a request: by host, path and method, for those whose role suffices.

#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"

namespace aptward::http {

/// What a service registers.
struct Route {
    std::string host;  ///< Lower case, without port; empty: any
    std::string path;  ///< "/healthz": exactly that; "/api/v1/jobs/": that and all below it
    std::vector<std::string> methods;  ///< "GET" stands for HEAD as well.
    Role least_role = Role::viewer;
    std::uint64_t body_limit = 64 * 1024;  ///< Of the request, in bytes
    Handler handler;
};

/// Filled before the first request, then only read: any loop.
class Router {
public:
    /// `service` is the first part of refusals' codes: "admin" gives "admin.role".
    explicit Router(std::string service) : service_(std::move(service)) {}

    void add(Route route) { routes_.push_back(std::move(route)); }

    /// What to do with a request. The longest path wins; with equal paths one that names the host.
    struct Match {
        enum class Outcome { found, no_path, no_method };
        Outcome outcome = Outcome::no_path;
        const Route* route = nullptr;  ///< When found.
        std::string allowed;           ///< "GET, HEAD, POST": when no_method.
    };
    Match match(std::string_view method, std::string_view host, std::string_view path) const;

    /// Whether some method of this path has a handler.
    bool has_path(std::string_view host, std::string_view path) const;

    /// Runs the handler, or says why not: 404 with the paths there are, 405 with Allow, 401 to
    /// those a token could help, 403 to those whose role does not suffice.
    Async<void> answer(Exchange& exchange) const;

private:
    bool is_of(const Route& route, std::string_view host, std::string_view path) const;
    std::string known_paths() const;

    std::string service_;
    std::vector<Route> routes_;
};

}  // namespace aptward::http
