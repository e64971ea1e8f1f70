// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The sockets of a running node: bound or inherited once, what they demand replaced at a reload.

#include <memory>
#include <string>
#include <vector>

#include "archive/front.h"
#include "console/admin.h"
#include "http/server.h"
#include "node/config.h"

namespace aptward::node {

/// Used by the thread that starts and reloads the node.
class Listeners {
public:
    /// Binds everything, or takes what the service manager bound. Fails as listen_on does.
    Result<void> open(const Config& config);

    /// Begins to answer. `front` and `admin` outlive the loops.
    void serve(http::Loops& loops, archive::Front& front, console::Admin& admin);

    /// Takes over certificates, tokens and roles of a new configuration. Open connections stay;
    /// their next request is judged by the new rules. Addresses and services change at a restart
    /// only; where they differ, the log says so.
    void readmit(const Config& config);

    /// With real ports: of `listen`, of the [[listener]] tables in their order, of `admin`.
    std::vector<std::string> plain_addresses() const;
    std::vector<std::string> addresses() const;
    std::string admin_address() const { return admin_.name; }
    /// "127.0.0.1:3142": how clients may name this node in a request.
    std::vector<std::string> own_addresses() const;

private:
    struct Open {
        ListenerSettings settings;
        std::string name;
        http::Listening listening;  // until serve()
    };
    std::vector<Open> plain_, listeners_;
    Open admin_;
};

}  // namespace aptward::node
