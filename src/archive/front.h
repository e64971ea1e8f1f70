// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The client port: which archive a request means, and what happens to requests that mean none.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "archive/archive.h"
#include "archive/strangers.h"

namespace aptward::archive {

/// A network such as "10.0.0.0/8" or a single address.
struct Network {
    std::vector<std::uint8_t> address;  ///< 4 or 16 bytes
    unsigned bits = 0;
    bool contains(const std::string& address_text) const;
};
/// Fails with malformed.
Result<Network> parse_network(const std::string& text);

/// What happens to a proxy request for a host that no archive claims.
enum class UnknownHosts {
    refuse,   ///< 403 with the lines to add.
    pass,     ///< Passed through unproven and uncached; named in every report.
    observe,  ///< The same for the first week, to learn which archives clients use; then refuse.
};

/// What the client port does, of one configuration. Immutable; replaced whole at a reload.
struct Routes {
    std::vector<std::shared_ptr<Archive>> archives;
    std::vector<Prefix> prefixes;
    std::vector<Prefix> aliases;   ///< Looked at when no prefix fits.
    std::vector<Network> clients;  ///< Who may ask; empty: everybody.
    /// Whose ring is 1, 2, ...; the first that has a client counts. All others are in ring 0.
    std::vector<std::vector<Network>> rings;
    bool allows_connect = true;
    std::vector<std::string> connect_hosts;  ///< "host:port" allowed beyond port 443 and public
    std::vector<std::string> own_addresses;  ///< "127.0.0.1:3142": to recognise ourselves
    std::string proxy;                       ///< Outgoing proxy for hosts that no archive claims.
    UnknownHosts unknown_hosts = UnknownHosts::refuse;
    SystemTime observed_until{};  ///< End of the week of `observe`.
};

class Front : public http::Shortcut {
public:
    Front(Services& services, WorkerPool& dialers) : services_(services), dialers_(dialers) {}

    /// Any thread.
    void use(std::shared_ptr<const Routes> routes);
    std::shared_ptr<const Routes> routes() const { return routes_.load(); }
    /// Null when the configuration has none of that id. Any thread.
    std::shared_ptr<Archive> find_archive(const std::string& id) const;
    /// Whether the configuration's `clients` lists this address. Any thread.
    bool admits(const std::string& address) const;
    /// The ring of a client at this address, 0 for none. Any thread.
    std::size_t ring_of(const std::string& address) const;
    /// The archive that a source of this URL means, as a client writes it. Null: none. Any thread.
    std::shared_ptr<Archive> find_by_url(const std::string& url) const;
    Strangers& strangers() { return strangers_; }

    /// Any loop.
    http::Async<void> answer(http::Exchange& exchange);

    std::optional<http::ReadyAnswer> find(const http::RequestHead& head,
                                          const http::Principal& principal) override;
    void sent(const http::ReadyAnswer& answer, const http::Principal& principal,
              http::ReadySent how) override;

private:
    http::Async<void> route(http::Exchange& exchange, const Routes& routes, std::uint64_t moment);
    http::Async<void> connect(http::Exchange& exchange, const Routes& routes);
    http::Async<void> refuse_archive(http::Exchange& exchange, const Routes& routes,
                                     std::string path);
    http::Async<void> explain_usage(http::Exchange& exchange, const Routes& routes);
    struct Stranger {
        std::string host, path;
        bool is_https = false;
    };
    http::Async<void> answer_stranger(http::Exchange& exchange, const Routes& routes,
                                      Stranger stranger);
    http::Async<void> pass(http::Exchange& exchange, const Routes& routes, Stranger stranger);
    http::Async<void> refuse_stranger(http::Exchange& exchange, const Routes& routes,
                                      Stranger stranger);
    std::shared_ptr<fetch::Source> source_of(const Routes& routes, const Stranger& stranger);

    Services& services_;
    WorkerPool& dialers_;  // blocking connects of tunnels
    std::atomic<std::shared_ptr<const Routes>> routes_;
    std::atomic<bool> admits_all_{false};  // the routes name no clients
    Strangers strangers_;
};

/// Connects to a public address of `host`, or to any when `may_be_private`. Blocks up to
/// `limit`; call on a worker. Fails with untrusted for a host that has only private addresses
/// (A19), unavailable else.
Result<Fd> dial(const std::string& host, std::uint16_t port, bool may_be_private,
                std::chrono::milliseconds limit);

}  // namespace aptward::archive
