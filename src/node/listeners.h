// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The sockets of a running node. A reload opens what the new configuration adds, closes what it
// drops, and changes what the others demand and serve; none of that drops a connection.

#include <optional>
#include <string>
#include <vector>

#include "archive/front.h"
#include "console/admin.h"
#include "http/server.h"
#include "node/config.h"

namespace aptward::node {

/// The listeners of one configuration, bound and not yet in service. Abandoned, it takes its new
/// sockets back and nothing else has happened.
class ListenerPlan {
public:
    ListenerPlan() = default;
    ListenerPlan(ListenerPlan&&) = default;
    ListenerPlan& operator=(ListenerPlan&&) = delete;
    ~ListenerPlan();

    /// "127.0.0.1:3142": how clients may name this node in a request.
    std::vector<std::string> own_addresses() const;

private:
    friend class Listeners;
    enum class Kind { plain, table, admin };
    struct Wanted {
        Kind kind;
        ListenerSettings settings;
        std::optional<std::size_t> before;  // which of the open ones it is
        http::Listening bound;              // when it is none of them
        http::Listening to_serve;           // one more descriptor, so that nothing fails later
        bool is_inherited = false;
    };
    std::vector<Wanted> wanted_;
};

/// Used by the thread that starts and reloads the node.
class Listeners {
public:
    Listeners(http::Loops& loops, archive::Front& front, console::Admin& admin);

    /// Binds what `config` has and is not open, or takes what the service manager bound. Fails as
    /// listen_on does, and with unavailable where a new address overlaps with one that is open.
    Result<ListenerPlan> prepare(const Config& config);

    /// Begins to answer where `plan` says, and ends it everywhere else.
    void serve(ListenerPlan plan);

    /// With real ports: of `listen`, of the [[listener]] tables in their order (what the service
    /// manager bound comes first), of `admin`.
    std::vector<std::string> plain_addresses() const;
    std::vector<std::string> addresses() const;
    std::string admin_address() const;
    /// Of those that answer every client over plain HTTP.
    std::vector<std::string> open_addresses() const;

private:
    using Kind = ListenerPlan::Kind;
    using Wanted = ListenerPlan::Wanted;
    struct Open {
        Kind kind;
        ListenerSettings settings;
        http::Listening listening;  // kept open here, whoever serves it
        bool is_inherited = false;
        http::Loops::Served served;
    };
    Result<void> add_bound(ListenerPlan& plan, Kind kind, ListenerSettings settings,
                           http::Listening bound, bool is_inherited) const;
    Result<void> add_open(ListenerPlan& plan, Kind kind, ListenerSettings settings,
                          std::size_t at) const;
    Result<void> add(ListenerPlan& plan, Kind kind, ListenerSettings settings) const;
    Result<void> add_inherited(ListenerPlan& plan, const Config& config);
    Result<http::Listening> bind(const std::string& address, Kind kind) const;
    Open change(Wanted wanted, Open old);
    void begin(Open& open, http::Listening to_serve);
    std::vector<std::string> names_of(Kind kind) const;

    http::Loops& loops_;
    const http::Handler to_front_, to_admin_, to_both_;
    http::Shortcut& shortcut_;
    std::vector<http::Listening> inherited_;  // until the first plan takes them
    std::vector<Open> open_;
};

}  // namespace aptward::node
