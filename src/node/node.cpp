// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/node.h"

#include <sys/statvfs.h>
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
#include "node/node_parts.h"

namespace aptward::node {
namespace {

constexpr std::chrono::minutes kSaveEvery{5};
constexpr std::chrono::seconds kScrubAgain = std::chrono::hours(24);  // after a cancelled one
constexpr std::chrono::milliseconds kLookAgain{20};                   // at what another thread does
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

Result<void> Node::Parts::listen()
{
    listeners.emplace(*loops, *front, *admin);
    TRY(auto plan, listeners->prepare(config));
    auto routes = make_routes(config, plan.own_addresses());
    TRY_VOID(restore(*routes));
    front->use(std::move(routes));
    listeners->serve(std::move(plan));
    return {};
}

Result<void> Node::Parts::write_run_file()
{
    const nlohmann::json run = {{"pid", ::getpid()},
                                {"listen", listeners->plain_addresses()},
                                {"listeners", listeners->addresses()},
                                {"admin", listeners->admin_address()}};
    return write_file_durably(config.state / "run.json", run.dump() + "\n");
}

http::Async<void> Node::Parts::save_sources()
{
    std::map<std::string, catalog::SourceState> learned;
    const auto routes = front->routes();  // a reload may replace them meanwhile
    for (const auto& archive : routes->archives) {
        const auto reports = co_await fetcher->report(archive->all_sources());
        for (const fetch::SourceReport& report : reports)
            learned[report.url] = {report.latency_ms,        report.rate_bytes_per_s,
                                   report.failures_in_a_row, report.last_fault,
                                   report.last_fault_time,   report.last_good_time,
                                   report.open_until,        report.distrusted_until};
    }
    auto job = [this, learned = std::move(learned),
                asked_for = front->strangers().save()]() -> Result<void> {
        TRY_VOID(state->put_fact(kStrangers, asked_for));
        return state->put_sources(learned);
    };
    const auto saved = co_await http::on_worker(*state_thread, std::move(job));
    if (!saved)
        log_error("state.failed", {}, saved.error().message());
}

http::Async<void> Node::Parts::keep_saving()
{
    for (;;) {
        co_await http::sleep_until(steady_now() + kSaveEvery);
        co_await save_sources();
    }
}

// Everything held is read again within the promised time (R26), counted from the last whole scrub.
http::Async<void> Node::Parts::keep_scrubbing()
{
    using std::chrono::seconds;
    const seconds every = config.scrub_every;
    while (every.count() > 0) {
        const seconds pause = std::clamp(every / 10, seconds(1), seconds(60));
        co_await http::sleep_until(steady_now() + pause);
        const SystemTime now = system_now();
        const SystemTime done = jobs->last_done(archive::kScrub).value_or(scrub_counted_from);
        const SystemTime over = jobs->last_over(archive::kScrub).value_or(scrub_counted_from);
        const bool is_due = now - done >= every && now - over >= std::min(every, kScrubAgain);
        if (!is_due || jobs->is_busy(archive::kScrub))
            continue;
        const auto started = jobs->start(
            archive::kScrub, archive::scrub_options(config.scrub_rate_bytes_per_s), "node");
        if (!started)
            co_return;  // the node is stopping
    }
}

// What no source gave when a scrub looked may be had later: nobody has to ask for it.
http::Async<void> Node::Parts::keep_mending()
{
    constexpr std::chrono::seconds kLookEvery{10};
    for (;;) {
        co_await http::sleep_until(steady_now() + kLookEvery);
        const auto last = archive::last_look(*jobs);
        if (!last || last->mending.unmended == 0)
            continue;
        const SystemTime tried = jobs->last_over(archive::kRepair).value_or(last->at);
        const auto since = system_now() - std::max(last->at, tried);
        const bool is_due = since >= archive::kMendAgain || since.count() < 0;
        if (!is_due || jobs->is_busy(archive::kScrub) || jobs->is_busy(archive::kRepair))
            continue;
        const auto started = jobs->start(archive::kRepair, "{}", "node");
        if (!started)
            co_return;  // the node is stopping
    }
}

// Of the node's own only: an operator may have asked for less, or only what would go. One that
// ended above its target, because what it might have taken was in use, is tried again.
bool Node::Parts::is_to_be_tried_again(std::int64_t collection) const
{
    using State = catalog::JobRecord::State;
    const auto view = jobs->find(collection);
    if (!view)
        return true;  // many came after it
    const State how = view->record.state;
    if (how == State::queued || how == State::running || how == State::done)
        return false;
    const auto since = system_now() - view->record.ended;
    return since >= archive::kSpared || since.count() < 0;  // a clock that was ahead says nothing
}

// What is held is counted at the start, and then whenever what came since may be too much.
http::Async<void> Node::Parts::keep_bounded()
{
    constexpr std::chrono::seconds kLookEvery{10};
    std::uint64_t counted_at = 0;   // bytes that had come then
    std::uint64_t counted_for = 0;  // the quota then
    std::optional<std::int64_t> last;
    for (;;) {
        const std::uint64_t came = blobs->stored_bytes(), bound = quota->bytes();
        const auto high =
            static_cast<std::uint64_t>(static_cast<double>(bound) * (1 - archive::kHighWater));
        const bool is_due = bound != counted_for || came - counted_at >= high ||
                            (last && is_to_be_tried_again(*last));
        if (bound > 0 && is_due && !jobs->is_busy(archive::kEviction)) {
            counted_at = came;
            counted_for = bound;
            const auto started = jobs->start(archive::kEviction, "{}", "node");
            if (!started)
                co_return;  // the node is stopping
            last = *started;
        }
        co_await http::sleep_until(steady_now() + kLookEvery);
    }
}

// A disk that fills up starts a collection, with a quota or without one (R4): else what is current
// could not be kept for the sake of what nobody needs.
http::Async<void> Node::Parts::keep_room()
{
    constexpr std::chrono::seconds kLookEvery{5};
    constexpr double kLowShare = 0.05, kEnoughShare = 0.10;
    constexpr double kEnoughBytes = 4e9;  // of a large disk, where the other shares follow it
    bool is_told = false;
    std::uint64_t without_room = 0;  // files for which there was no room
    std::optional<std::int64_t> last;
    for (;;) {
        co_await http::sleep_until(steady_now() + kLookEvery);
        struct ::statvfs space{};
        if (::statvfs(config.state.c_str(), &space) != 0 || space.f_blocks == 0)
            continue;
        const auto free = std::uint64_t{space.f_bavail} * space.f_frsize;
        const auto all = static_cast<double>(std::uint64_t{space.f_blocks} * space.f_frsize);
        const auto share = [&](double part) {
            return static_cast<std::uint64_t>(std::min(all, kEnoughBytes / kEnoughShare) * part);
        };
        auto counts = events->counts();
        const bool had_no_room =
            std::exchange(without_room, counts["store.full"]) != counts["store.full"];
        if (free >= share(kLowShare) && !had_no_room) {
            is_told = is_told && free < share(kEnoughShare);
            continue;
        }
        if (!std::exchange(is_told, true))
            events->add({0,
                         {},
                         "disk.low",
                         "",
                         "",
                         "",
                         fmt::format("{} are left on the disk of {}: what nobody needs, and then "
                                     "what only earlier releases need, goes (aptward jobs)",
                                     human_size(free), config.state.string()),
                         "",
                         ""});
        // One that found too little is tried again when what was used may go.
        const auto view = last ? jobs->find(*last) : std::nullopt;
        const bool has_helped = view && view->record.state == catalog::JobRecord::State::done;
        const bool may_try = !last || has_helped || is_to_be_tried_again(*last);
        if (!may_try || jobs->is_busy(archive::kEviction))
            continue;
        const auto started =
            jobs->start(archive::kEviction,
                        fmt::format("{{\"free\": {}}}",
                                    had_no_room ? share(kEnoughShare) : share(kEnoughShare) - free),
                        "node");
        if (!started)
            co_return;  // the node is stopping
        last = *started;
    }
}

std::vector<std::string> Node::Parts::notes_of_state() const
{
    const std::size_t lost = state->journal_damage().lost_lines;
    if (lost == 0)
        return {};
    return {fmt::format(
        "{} lines of the journal are damaged, and the database has no copy of them: a freeze, a "
        "snapshot's name, an approval or the newest release may be forgotten; look at what is "
        "served and decide it again, then stop the node and take the damaged lines out of {}",
        lost, (config.state / "journal").string())};
}

void Node::Parts::tell_notes(const Config& from)
{
    std::vector<std::string> notes = notes_of_state();
    notes.insert(notes.end(), from.notes.begin(), from.notes.end());
    admin->set_notes(std::move(notes));
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
    parts->loops =
        std::make_unique<http::Loops>(parts->config.loops == 0 ? cores : parts->config.loops);
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
    parts->admin = std::make_unique<console::Admin>(*parts->services, *parts->front, *parts->drill,
                                                    *parts->stock, *parts->quota, *parts->loops);
    parts->tell_notes(parts->config);
    parts->events->on_stored([admin = parts->admin.get()] { admin->wake_followers(); });
    auto node = std::unique_ptr<Node>(new Node(std::move(parts)));
    TRY_VOID(node->parts_->listen());
    if (node->parts_->state->was_rebuilt())
        node->parts_->events->add({0,
                                   {},
                                   "state.rebuilt",
                                   "",
                                   "",
                                   "",
                                   "the state database was rebuilt from the journal",
                                   "",
                                   ""});
    if (const auto damage = node->parts_->state->journal_damage(); damage.mended_lines > 0)
        node->parts_->events->add({0,
                                   {},
                                   "journal.mended",
                                   "",
                                   "",
                                   "",
                                   fmt::format("{} lines of the journal were damaged or gone and "
                                               "are back from the database",
                                               damage.mended_lines),
                                   "",
                                   ""});
    for (const std::string& note : node->parts_->notes_of_state())
        node->parts_->events->add({0, {}, "journal.damaged", "", "", "", note, "", ""});
    http::spawn(node->parts_->services->control, "saving", node->parts_->keep_saving());
    node->parts_->jobs->restore();
    http::spawn(node->parts_->services->control, "scrubbing", node->parts_->keep_scrubbing());
    http::spawn(node->parts_->services->control, "mending", node->parts_->keep_mending());
    http::spawn(node->parts_->services->control, "bounding", node->parts_->keep_bounded());
    http::spawn(node->parts_->services->control, "stocking", node->parts_->stock->keep());
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
    if (parts_->loops) {
        parts_->loops->stop(std::chrono::seconds(5));
        if (parts_->front && parts_->front->routes())
            run_on(parts_->services->control, "saving", std::chrono::seconds(3),
                   [this]() { return parts_->save_sources(); });
    }
    if (parts_->stock)
        parts_->stock->stop();
    if (parts_->jobs)
        parts_->jobs->stop();
    // First every thread ends: those that start work, then those that do it. A job holds signals of
    // the loop that waits for it, and a coroutine those of another loop: so the loops are destroyed
    // when no thread is left, with what waits on them.
    parts_->client.stop();
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
