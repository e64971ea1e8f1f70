// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/node.h"

#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "archive/bundle_job.h"
#include "archive/eviction_job.h"
#include "archive/import_job.h"
#include "archive/mirror_job.h"
#include "archive/scrub_job.h"
#include "base/log.h"
#include "base/text.h"
#include "deb/deb.h"
#include "node/config_swarm.h"
#include "node/node_parts.h"
#include "node/peer_names.h"
#include "node/reachable.h"
#include "tlog/identity.h"

namespace aptward::node {
namespace {

constexpr std::chrono::milliseconds kLookAgain{20};  // at what another thread does
constexpr const char* kFirstStart = "node.first-start";

}  // namespace

Node::Node(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Node::~Node()
{
    stop();
}

// A full disk keeps no node from starting: then the count begins again at the next start.
void Node::Parts::remember_first_start()
{
    const auto kept = state->put_fact(kFirstStart, std::to_string(to_unix(scrub_counted_from)));
    if (!kept)
        log_error("state.failed", {}, kept.error().message());
}

// Made where it is missing, and this node's alone while it runs.
Result<Fd> take_state_folder(const std::filesystem::path& folder)
{
    const auto made = make_directories(folder);
    auto lock = made ? store::lock_state(folder) : Result<Fd>(tl::unexpected<Error>(made.error()));
    if (lock || lock.error().code() != Errc::storage)
        return lock;
    return fail(Errc::storage, lock.error().message() +
                                   "; the node can keep no state there: make the folder writable, "
                                   "or name another one (`state`, or --state)");
}

Result<void> Node::Parts::open_state(crypto::Spawner& spawner)
{
    TRY(lock, take_state_folder(config.state));
    TRY_VOID(store::check_format(config.state));
    std::error_code ignored;
    std::filesystem::remove(config.state / "run.json", ignored);
    TRY(blobs, store::Blobs::open(config.state));
    TRY_VOID(blobs->put_back_evicted());
    TRY_VOID(private_marks.open(config.state));
    TRY(state, catalog::State::open(config.state));
    TRY(auto opened, catalog::Releases::open(config.state));
    releases.emplace(std::move(opened));
    TRY(auto evidence, catalog::Refused::open(config.state));
    refused.emplace(std::move(evidence));
    TRY_VOID(make_directories(config.state / "tables"));
    // There from the start: an empty record says that nobody got anything yet.
    if (config.deliveries_kept.count() > 0)
        TRY_VOID(make_directories(config.state / "deliveries"));
    engine = crypto::make_gpgv(spawner);
    const auto first_start = state->fact(kFirstStart);
    const auto known = parse_number<std::int64_t>(first_start.value_or(""));
    const SystemTime now = system_now();
    const bool may_be = known && from_unix(*known) <= now;  // else a clock was ahead
    scrub_counted_from = may_be ? from_unix(*known) : now;
    if (!may_be)
        remember_first_start();
    return {};
}

// Without room for a key this node serves, and has no peers (I6).
std::optional<tlog::SignerKey> Node::Parts::identity() const
{
    auto key = tlog::load_identity(config.state);
    if (key)
        return std::move(*key);
    tell("peer.no-identity",
         "this node has no key, so it neither asks other nodes nor gives to "
         "them: " +
             key.error().message());
    return std::nullopt;
}

void Node::Parts::make_blob_service()
{
    blob_service =
        std::make_unique<s3::Service>(*services, *front, config.state, config.blob_service);
    services->blob_service = blob_service.get();
    fetcher->on_stored([service = blob_service.get()](const std::vector<Digest>& digests,
                                                      const std::string& archive) {
        service->note_stored(digests, archive);
    });
}

void Node::Parts::make_apt_cache()
{
    if (config.apt_archives.empty() && config.apt_lists.empty())
        return;
    apt_cache = std::make_unique<archive::AptCache>(
        archive::AptCache::Folders{config.apt_archives, config.apt_lists},
        config.state / "apt-files", *workers);
    apt_looker = std::make_unique<WorkerPool>(1);
    services->apt_cache = apt_cache.get();
}

Result<void> Node::Parts::listen()
{
    listeners.emplace(*loops, *front, *admin);
    TRY(auto plan, listeners->prepare(config));
    auto routes = make_routes(config, plan.own_addresses());
    TRY_VOID(restore(*routes));
    front->use(std::move(routes));
    listeners->serve(std::move(plan));
    peers->announce(reachable_at(listeners->open_addresses()));
    return {};
}

// Those of the configuration until there are others.
std::vector<std::string> Node::Parts::own_addresses() const
{
    const auto routes = front->routes();
    return routes == nullptr ? config.listen : routes->own_addresses;
}

Result<void> Node::Parts::write_run_file()
{
    const nlohmann::json run = {{"pid", ::getpid()},
                                {"listen", listeners->plain_addresses()},
                                {"listeners", listeners->addresses()},
                                {"admin", listeners->admin_address()}};
    return write_file_durably(config.state / "run.json", run.dump() + "\n");
}

Result<std::unique_ptr<Node>> Node::start(Config config, crypto::Spawner& spawner)
{
    auto parts = std::make_unique<Parts>();
    parts->config = std::move(config);
    TRY_VOID(parts->open_state(spawner));
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
    parts->state_thread = std::make_unique<WorkerPool>(1);
    parts->workers = std::make_unique<WorkerPool>(std::max(2U, cores));
    parts->dialers = std::make_unique<WorkerPool>(8);
    parts->events = std::make_unique<archive::EventLog>(*parts->state, *parts->state_thread);
    parts->quota =
        std::make_unique<archive::Quota>(parts->config.quota_bytes, parts->config.hot_for);
    parts->deliveries = std::make_unique<archive::Deliveries>(
        parts->config.state / "deliveries", parts->config.deliveries_kept, *parts->events);
    parts->jobs =
        std::make_unique<archive::Jobs>(*parts->state, *parts->state_thread, *parts->events);
    parts->fetcher = std::make_unique<fetch::Fetcher>(
        parts->client, parts->blobs, parts->private_marks, *parts->workers,
        [events = parts->events.get()](const fetch::FetchEvent& happened) {
            catalog::Event event;
            event.code = happened.code;
            event.archive = happened.archive;
            event.source = happened.source;
            event.message = happened.message;
            event.evidence = happened.evidence;
            events->add(std::move(event));
        });
    parts->control = std::make_unique<http::Loops>(1);
    parts->loops = std::make_unique<http::Loops>(
        parts->config.loops == 0 ? cores : parts->config.loops, archive::is_for_neighbours);
    parts->services = std::make_unique<archive::Services>(archive::Services{
        parts->control->executor(), *parts->fetcher, *parts->blobs, parts->private_marks,
        *parts->workers, *parts->state, *parts->state_thread, *parts->releases, *parts->refused,
        *parts->engine, *parts->events, parts->counters, parts->config.state / "tables",
        *parts->deliveries, *parts->jobs, parts->hot_answers, parts->shelf,
        deb::native_architecture()});
    parts->front = std::make_unique<archive::Front>(*parts->services, *parts->dialers);
    const archive::FindArchive find_archive = [front = parts->front.get()](const std::string& id) {
        return front->find_archive(id);
    };
    const archive::ServedArchives served = [front = parts->front.get()] {
        return front->routes()->archives;
    };
    parts->jobs->add_kind(archive::kScrub,
                          archive::make_scrub(*parts->services, served, parts->config.hot_for));
    parts->jobs->add_kind(archive::kRepair,
                          archive::make_repair(*parts->services, served, parts->config.hot_for));
    parts->jobs->add_kind(archive::kMirror, archive::make_mirror(*parts->services, find_archive));
    const auto let_go = [loops = parts->loops.get()] {
        loops->on_each(archive::let_go_of_evicted);
    };
    parts->jobs->add_kind(archive::kEviction, archive::make_eviction(*parts->services, find_archive,
                                                                     {*parts->quota, let_go}));
    const archive::RoomSettings room{parts->config.state, *parts->quota, find_archive};
    parts->jobs->add_kind(archive::kBundleImport,
                          archive::make_bundle_import(*parts->services, served, room));
    parts->jobs->add_kind(archive::kStockImport,
                          archive::make_stock_import(*parts->services, served, room));
    parts->stock = std::make_unique<stock::Stock>(*parts->services, spawner, *parts->front,
                                                  parts->config.state, parts->config.stock);
    parts->services->prefetcher = parts->stock.get();
    parts->jobs->add_kind(stock::kStock, parts->stock->make_job());
    parts->drill = std::make_unique<archive::Drill>(*parts->services);
    const peer::ReadPeer read_peer =
        [parts = parts.get()](const std::string& url,
                              const std::string& identity) -> Result<peer::PeerSettings> {
        TRY(auto place, read_peer_url(url, parts->own_addresses()));
        TRY(auto key, read_peer_identity(identity));
        return peer::PeerSettings{std::move(place), std::move(key), ""};
    };
    parts->swarm = std::make_unique<swarm::Process>(
        [kept = parts.get()](const std::string& code, const std::string& message) {
            kept->tell(code, message);
        });
    parts->peers = std::make_unique<peer::Peers>(
        *parts->services, *parts->front, *parts->swarm, parts->identity(), parts->config.peers,
        read_peer, parts->state->peers(), parts->config.state / "torrents");
    parts->jobs->add_kind(peer::kPublish, parts->peers->make_publish_job(find_archive));
    parts->services->neighbours = parts->peers.get();
    parts->restore_peers();
    parts->make_blob_service();
    parts->make_apt_cache();
    parts->admin = std::make_unique<console::Admin>(*parts->services, *parts->front, *parts->drill,
                                                    *parts->stock, *parts->peers, *parts->quota,
                                                    *parts->loops);
    parts->tell_notes(parts->config);
    parts->events->on_stored([admin = parts->admin.get()] { admin->wake_followers(); });
    auto node = std::unique_ptr<Node>(new Node(std::move(parts)));
    TRY_VOID(node->parts_->listen());
    node->parts_->tell_of_state();
    node->parts_->swarm->use(swarm_process_of(node->parts_->config));
    http::spawn(node->parts_->services->control, "saving", node->parts_->keep_saving());
    node->parts_->jobs->restore();
    http::spawn(node->parts_->services->control, "scrubbing", node->parts_->keep_scrubbing());
    http::spawn(node->parts_->services->control, "mending", node->parts_->keep_mending());
    http::spawn(node->parts_->services->control, "bounding", node->parts_->keep_bounded());
    http::spawn(node->parts_->services->control, "looking at what apt has",
                node->parts_->keep_apt_cache());
    http::spawn(node->parts_->services->control, "stocking", node->parts_->stock->keep());
    http::spawn(node->parts_->services->control, "keeping peers", node->parts_->peers->keep());
    http::spawn(node->parts_->services->control, "keeping the blob service",
                node->parts_->blob_service->keep());
    http::spawn(node->parts_->services->control, "keeping room", node->parts_->keep_room());
    node->parts_->admin->set_ready(true);
    // A full disk keeps nothing from being served that is held (I6).
    if (const auto written = node->parts_->write_run_file(); !written)
        log_warning("state.unwritable", {}, written.error().message());
    return node;
}

std::vector<std::string> Node::addresses() const
{
    return parts_->listeners->plain_addresses();
}
std::string Node::admin_address() const
{
    return parts_->listeners->admin_address();
}

void Node::refresh_known(std::chrono::seconds limit,
                         const std::function<void(std::size_t, std::size_t)>& progress,
                         const std::function<bool()>& is_cancelled)
{
    auto done = std::make_shared<std::atomic<std::size_t>>(0);
    std::size_t total = 0;
    const SteadyTime deadline = steady_now() + limit;
    const auto routes = parts_->front->routes();
    for (const auto& archive : routes->archives)
        for (const archive::KnownSuite& known : archive->settings().known_suites) {
            ++total;
            const auto body =
                [](std::shared_ptr<archive::Archive> from, std::string suite, SteadyTime until,
                   std::shared_ptr<std::atomic<std::size_t>> count) -> http::Async<void> {
                co_await from->refresh(suite, until);
                ++*count;
            };
            http::spawn(parts_->services->control, "first refresh",
                        body(archive, known.suite, deadline, done));
        }
    std::size_t shown = total + 1;
    while (steady_now() < deadline + std::chrono::seconds(1)) {
        const std::size_t now = *done;
        if (now != std::exchange(shown, now))
            progress(now, total);
        if (now == total || is_cancelled())
            return;
        std::this_thread::sleep_for(kLookAgain);
    }
}

Result<catalog::JobRecord> Node::serve_bundle(
    const std::filesystem::path& file, const std::vector<std::string>& signers,
    const std::function<void(std::uint64_t, std::uint64_t)>& progress,
    const std::function<bool()>& is_cancelled)
{
    using State = catalog::JobRecord::State;
    TRY(const std::int64_t id,
        parts_->jobs->start(archive::kBundleImport,
                            archive::import_options(std::filesystem::absolute(file), signers,
                                                    archive::Packages::shelved),
                            "node"));
    for (;;) {
        const auto view = parts_->jobs->find(id);
        if (!view)
            return fail(Errc::unavailable, "the import was forgotten");
        if (view->record.state != State::queued && view->record.state != State::running)
            return view->record;
        if (is_cancelled()) {
            TRY_VOID(parts_->jobs->cancel(id, "node"));
            return fail(Errc::stale, "the import was cancelled");
        }
        progress(view->record.done, view->record.total);
        std::this_thread::sleep_for(kLookAgain);
    }
}

std::vector<std::string> Node::keyring_files() const
{
    std::vector<std::string> files;
    const auto routes = parts_->front->routes();
    for (const auto& archive : routes->archives)
        for (const std::string& file : archive->settings().keyrings)
            files.push_back(file);
    return files;
}

std::string Node::status_json()
{
    auto text = std::make_shared<std::string>();
    run_on(parts_->services->control, "status", std::chrono::seconds(10),
           [this, text]() -> http::Async<void> {
               auto status = co_await parts_->admin->status();
               *text = std::move(status);
           });
    return *text;
}

void Node::stop()
{
    if (!parts_)
        return;
    {
        const std::lock_guard lock(parts_->reload_mutex);
        if (std::exchange(parts_->is_stopped, true))
            return;
    }
    if (parts_->swarm)
        parts_->swarm->stop();
    if (parts_->peers)
        parts_->peers->stop();
    if (parts_->loops) {
        parts_->loops->stop(std::chrono::seconds(5));
        if (parts_->front && parts_->front->routes())
            run_on(parts_->services->control, "saving", std::chrono::seconds(3),
                   [this]() { return parts_->save_sources(); });
    }
    if (parts_->stock)
        parts_->stock->stop();
    if (parts_->apt_cache) {
        parts_->apt_cache->stop();
        parts_->apt_looker->stop(WorkerPool::Queued::drop);
    }
    if (parts_->jobs)
        parts_->jobs->stop();
    // First every thread ends: those that start work, then those that do it. A job holds signals of
    // the loop that waits for it, and a coroutine those of another loop: so the loops are destroyed
    // when no thread is left, with what waits on them.
    parts_->client.stop();
    if (parts_->blob_service)
        parts_->blob_service->stop();
    for (const auto* loops : {&parts_->loops, &parts_->control})
        if (*loops)
            (*loops)->join();
    parts_->shelf.stop();
    if (parts_->fetcher)
        parts_->fetcher->writer().stop(WorkerPool::Queued::drop);
    for (const auto* pool : {&parts_->dialers, &parts_->workers})
        if (*pool)
            (*pool)->stop(WorkerPool::Queued::drop);
    if (parts_->deliveries)
        parts_->deliveries->stop();
    if (parts_->state_thread)
        parts_->state_thread->stop(WorkerPool::Queued::finish);
    for (const auto* loops : {&parts_->loops, &parts_->control})
        if (*loops)
            (*loops)->clear();
    parts_->loops.reset();
    parts_->control.reset();
    std::error_code ignored;
    std::filesystem::remove(parts_->config.state / "run.json", ignored);
}

}  // namespace aptward::node
