// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What a node is made of. Private to node/.

#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "archive/apt_cache.h"
#include "archive/deliveries.h"
#include "archive/drill.h"
#include "archive/hot_answers.h"
#include "archive/jobs.h"
#include "archive/quota.h"
#include "archive/shelf.h"
#include "console/admin.h"
#include "node/listeners.h"
#include "node/node.h"
#include "peer/peer.h"
#include "s3/service.h"
#include "stock/stock.h"
#include "swarm/process.h"

namespace aptward::node {

inline constexpr const char* kPeerHealth = "peer ";  // before the URLs of peers among the sources
inline constexpr const char* kStrangers = "strangers";  // the fact that tells of them

// Runs a coroutine on `loop` and blocks this thread for its end.
template <class Make>
bool run_on(const http::Executor& loop, const char* name, std::chrono::milliseconds limit,
            Make make)
{
    auto done = std::make_shared<std::promise<void>>();
    auto future = done->get_future();
    const auto body = [](Make inner, std::shared_ptr<std::promise<void>> end) -> http::Async<void> {
        co_await inner();
        end->set_value();
    };
    http::spawn(loop, name, body(std::move(make), done));
    return future.wait_for(limit) == std::future_status::ready;
}

// Declared in the order in which things start; destroyed in the opposite one.
struct Node::Parts {
    Config config;
    Fd lock;
    std::unique_ptr<catalog::State> state;
    std::optional<catalog::Releases> releases;
    std::optional<catalog::Refused> refused;
    std::shared_ptr<store::Blobs> blobs;
    store::PrivateMarks private_marks;
    std::unique_ptr<crypto::OpenPgpEngine> engine;
    archive::Counters counters;
    std::unique_ptr<WorkerPool> state_thread, workers, dialers;
    std::unique_ptr<archive::EventLog> events;
    std::unique_ptr<archive::Deliveries> deliveries;
    archive::HotAnswers hot_answers;
    std::unique_ptr<archive::Quota> quota;
    std::unique_ptr<archive::Jobs> jobs;
    SystemTime scrub_counted_from{};
    http::Client client;
    archive::Shelf shelf;
    std::unique_ptr<archive::AptCache> apt_cache;  // null: apt's own files are not looked at
    std::unique_ptr<WorkerPool> apt_looker;        // its one thread
    std::unique_ptr<fetch::Fetcher> fetcher;
    std::unique_ptr<archive::Services> services;
    std::unique_ptr<archive::Front> front;
    std::unique_ptr<stock::Stock> stock;
    std::unique_ptr<swarm::Process> swarm;
    std::unique_ptr<peer::Peers> peers;
    std::unique_ptr<s3::Service> blob_service;
    std::unique_ptr<archive::Drill> drill;
    std::unique_ptr<console::Admin> admin;
    std::unique_ptr<http::Loops> control;  // one loop
    std::unique_ptr<http::Loops> loops;
    std::optional<Listeners> listeners;
    std::mutex reload_mutex;
    bool is_stopped = false;

    Result<void> open_state(crypto::Spawner& spawner);
    /// An event of the node as a whole.
    void tell(std::string code, std::string message) const;
    /// What an operator has to know of the state folder, one sentence each.
    std::vector<std::string> notes_of_state() const;
    void tell_notes(const Config& from);
    /// What the start found of it, as events.
    void tell_of_state() const;
    void remember_first_start();
    std::optional<tlog::SignerKey> identity() const;
    std::vector<std::string> own_addresses() const;
    std::shared_ptr<archive::Routes> make_routes(const Config& from,
                                                 std::vector<std::string> own_addresses);
    void tell_what_stays(const Config& fresh);
    Result<void> restore(archive::Routes& routes);
    /// What was learned of these sources before; `kind` stands before their URLs in what is kept.
    void restore_health(std::vector<fetch::SourcePtr> sources,
                        std::map<std::string, catalog::SourceState> remembered,
                        const std::string& kind);
    void restore_peers();
    void make_blob_service();
    void make_apt_cache();
    Result<void> listen();
    Result<void> write_run_file();
    http::Async<void> keep_saving();
    http::Async<void> keep_scrubbing();
    http::Async<void> keep_mending();
    bool is_to_be_tried_again(std::int64_t collection) const;
    http::Async<void> keep_bounded();
    http::Async<void> keep_apt_cache();
    http::Async<void> keep_room();
    http::Async<void> save_sources();
};

}  // namespace aptward::node
