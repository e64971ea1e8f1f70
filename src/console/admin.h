// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The admin port: health, metrics, status, events, and what may be changed.

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "archive/blob_service.h"
#include "archive/drill.h"
#include "archive/front.h"
#include "archive/past.h"
#include "archive/quota.h"
#include "http/event_stream.h"
#include "http/router.h"
#include "http/server.h"
#include "peer/peer.h"
#include "stock/stock.h"

namespace aptward::console {

struct Order;

/// What the admin port can do to the node; set by node/.
struct AdminActions {
    std::function<Result<void>()> reload;
};

inline constexpr std::size_t kMaxFollowers = 256;  ///< Of the events, at one time; guess.

class Admin {
public:
    Admin(archive::Services& services, archive::Front& front, archive::Drill& drill,
          stock::Stock& stock, peer::Peers& peers, const archive::Quota& quota,
          const http::Loops& loops);

    void set_ready(bool is_ready) { is_ready_ = is_ready; }
    /// While the configuration is read again, no orders are taken: they would reach archives that
    /// are about to be replaced. Any thread.
    void set_reloading(bool is_reloading) { is_reloading_ = is_reloading; }
    /// Any thread.
    void set_notes(std::vector<std::string> notes)
    {
        notes_ = std::make_shared<const std::vector<std::string>>(std::move(notes));
    }
    /// Before the first request.
    void set_actions(AdminActions actions);

    /// Any loop.
    http::Async<void> answer(http::Exchange& exchange);
    /// Whether a request to an address that serves archives as well is for us. Any loop.
    bool is_asked(const http::Exchange& exchange) const;
    /// Whether it is what clients ask the node itself, where only archives are served. Any loop.
    bool is_for_clients(const http::Exchange& exchange) const;

    /// An event was stored: those that follow the events read on. Any thread.
    void wake_followers() { followers_.wake(); }

    /// The status document, schema in docs/formats/status.md.
    http::Async<std::string> status();

private:
    void add(const char* path, const char* method, http::Role least_role,
             http::Async<void> (Admin::*handler)(http::Exchange&),
             std::uint64_t body_limit = 64 * 1024);
    http::Async<void> answer_healthz(http::Exchange& exchange);
    http::Async<void> answer_readyz(http::Exchange& exchange);
    http::Async<void> answer_metrics(http::Exchange& exchange);
    http::Async<void> answer_status(http::Exchange& exchange);
    http::Async<void> answer_events(http::Exchange& exchange);
    http::Async<void> follow_events(http::Exchange& exchange);
    http::Async<void> answer_proof_of(http::Exchange& exchange);
    http::Async<void> answer_strangers(http::Exchange& exchange);
    http::Async<void> answer_deliveries(http::Exchange& exchange);
    http::Async<void> answer_jobs(http::Exchange& exchange);
    http::Async<void> change_job(http::Exchange& exchange);
    http::Async<void> reload(http::Exchange& exchange);
    http::Async<void> approve(http::Exchange& exchange);
    http::Async<void> approve_keys(http::Exchange& exchange);
    http::Async<void> revoke_key(http::Exchange& exchange);
    http::Async<void> answer_snapshots(http::Exchange& exchange);
    http::Async<void> answer_diff(http::Exchange& exchange);
    http::Async<void> keep_snapshot(http::Exchange& exchange);
    http::Async<void> drop_snapshot(http::Exchange& exchange);
    using PastOrder = http::Task<std::string> (*)(archive::Past& past, const Order& order);
    http::Task<std::string> order_past(Order order, PastOrder order_of);
    http::Async<void> change_past(http::Exchange& exchange, PastOrder order_of);
    http::Async<std::string> quota_after_pin();
    http::Async<void> freeze(http::Exchange& exchange);
    http::Async<void> thaw(http::Exchange& exchange);
    http::Async<void> answer_peers(http::Exchange& exchange);
    http::Async<void> ping_peers(http::Exchange& exchange);
    using PeerOrder = http::Task<std::string> (*)(peer::Peers& peers, const Order& order);
    http::Async<void> change_peers(http::Exchange& exchange, PeerOrder order_of);
    http::Async<void> add_peer(http::Exchange& exchange);
    http::Async<void> remove_peer(http::Exchange& exchange);
    http::Async<void> answer_torrents(http::Exchange& exchange);
    http::Async<void> stop_torrent(http::Exchange& exchange);
    http::Async<void> answer_drill(http::Exchange& exchange);
    http::Async<void> drill(http::Exchange& exchange);
    http::Async<void> end_drill(http::Exchange& exchange);
    http::Async<void> take_report(http::Exchange& exchange);
    http::Async<void> answer_machines(http::Exchange& exchange);
    http::Async<void> forget_machine(http::Exchange& exchange);
    http::Async<void> answer_stock(http::Exchange& exchange);

    archive::Services& services_;
    archive::Front& front_;
    archive::Drill& drill_;
    stock::Stock& stock_;
    peer::Peers& peers_;
    const archive::Quota& quota_;
    const http::Loops& loops_;
    std::atomic<bool> is_ready_ = false;
    std::atomic<bool> is_reloading_ = false;
    std::atomic<std::shared_ptr<const std::vector<std::string>>> notes_{
        std::make_shared<const std::vector<std::string>>()};
    AdminActions actions_;
    http::Router router_{"admin"};
    http::Wakers followers_{kMaxFollowers};
};

/// One archive as the admin port shows it.
struct ArchiveReport {
    std::shared_ptr<archive::Archive> archive;
    std::vector<archive::SuiteReport> suites;
    std::vector<archive::ProposedKey> proposed_keys;
    std::set<std::string> approved_keys, revoked_keys;
    std::vector<fetch::SourceReport> sources;
    archive::FrozenPtr frozen;
    std::vector<std::string> newer_clients;  ///< Known to hold newer lists than the frozen ones.
};

/// Gathers what the archives know, from the loops that own it. While a drill runs, its stand-ins
/// are shown where `whose` says so; the counters of the metrics go on as if there were none. Any
/// loop.
enum class Sources { asked, configured };
http::Async<std::vector<ArchiveReport>> gather(archive::Services& services,
                                               std::shared_ptr<const archive::Routes> routes,
                                               Sources whose);

/// Prometheus exposition text, made by prometheus-cpp.
std::string render_metrics(const std::vector<ArchiveReport>& archives,
                           const std::vector<peer::PeerReport>& peers, const peer::Given& given,
                           const swarm::Process::Report& swarm,
                           const std::optional<archive::BlobServiceReport>& blob_service,
                           const archive::Services& services, const archive::Quota& quota,
                           std::size_t connections);

}  // namespace aptward::console
