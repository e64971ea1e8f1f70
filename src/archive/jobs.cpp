// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "base/background.h"
#include "base/log.h"

namespace aptward::archive {
namespace {

using State = JobRecord::State;

constexpr std::chrono::seconds kSaveEvery{1};
constexpr double kLeastSeconds = 0.2;  // before a rate means anything

bool is_over(State state)
{
    return state != State::queued && state != State::running;
}

}  // namespace

/// Guarded by Jobs::mutex_, but for the flag.
struct Jobs::Job {
    JobRecord record;
    std::atomic<bool> must_stop{false};
    std::string cancelled_by;  // empty: nobody
    bool was_interrupted = false;
    SteadyTime run_started{}, saved{};
    std::uint64_t done_before = 0;  // when this run began
    std::vector<std::weak_ptr<http::Signal>> watchers;

    void notify_watchers()
    {
        for (const auto& watcher : std::exchange(watchers, {}))
            if (const auto signal = watcher.lock())
                signal->notify();
    }
};

Jobs::Jobs(catalog::State& state, WorkerPool& state_thread, EventLog& events)
    : state_(state), state_thread_(state_thread), events_(events)
{
}

Jobs::~Jobs()
{
    stop();
}

void Jobs::tell(const Job& job, std::string code, const std::string& who, const std::string& what)
{
    catalog::Event event;
    event.code = std::move(code);
    event.who = who;
    event.message = fmt::format("job {} ({}): {}", job.record.id, job.record.kind, what);
    event.evidence = fmt::format("job {}", job.record.id);
    events_.add(std::move(event));
}

void Jobs::save(const Job& job)
{
    // Not by way of this object, which may be gone before the state thread comes to it.
    state_thread_.post([&state = state_, record = job.record] {
        if (const auto saved = state.put_job(record); !saved)
            log_error("state.failed", {}, saved.error().message());
    });
}

void Jobs::restore()
{
    std::promise<std::vector<JobRecord>> promise;
    state_thread_.post([&] { promise.set_value(state_.jobs()); });
    const std::lock_guard lock(mutex_);
    for (JobRecord& record : promise.get_future().get()) {
        auto job = std::make_shared<Job>();
        job->record = std::move(record);
        last_id_ = std::max(last_id_, job->record.id);
        jobs_[job->record.id] = job;
        const bool was_cut = !is_over(job->record.state);
        if (was_cut) {
            job->record.state = State::interrupted;
            tell(*job, "job.interrupted", "", "the node ended before it did");
        }
        const auto kind = kinds_.find(job->record.kind);
        const bool goes_on = kind != kinds_.end() && kind->second.is_resumable;
        if (job->record.state == State::interrupted && goes_on) {
            job->was_interrupted = true;
            job->record.state = State::queued;
            enqueue(job);
        }
        if (was_cut || job->was_interrupted)
            save(*job);
    }
}

// Under the lock.
void Jobs::enqueue(const JobPtr& job)
{
    auto& thread = threads_[job->record.kind];
    if (!thread)
        thread = std::make_unique<WorkerPool>(1);
    thread->post([this, job] { run(job); });
}

Result<std::int64_t> Jobs::start(const std::string& kind, std::string request,
                                 const std::string& who)
{
    const auto known = kinds_.find(kind);
    if (known == kinds_.end()) {
        std::string names;
        for (const auto& [name, ignored] : kinds_)
            names += (names.empty() ? "" : ", ") + name;
        return fail(Errc::not_found,
                    fmt::format("there is no job of kind \"{}\"; there are: {}", kind, names));
    }
    std::string options = std::move(request);
    if (known->second.read_options) {
        TRY(options, known->second.read_options(options));
    }
    const std::lock_guard lock(mutex_);
    if (is_stopping_)
        return fail(Errc::unavailable, "the node is stopping");
    if (who != "node" && known->second.node_gives_way)
        for (const auto& [id, other] : jobs_)
            if (other->record.kind == kind && other->record.who == "node" &&
                !is_over(other->record.state))
                cancel_locked(*other, who);
    auto job = std::make_shared<Job>();
    job->record.id = ++last_id_;
    job->record.kind = kind;
    job->record.who = who;
    job->record.options = std::move(options);
    job->record.unit = known->second.unit;
    job->record.started = system_now();
    jobs_[job->record.id] = job;
    forget_old(kind);
    save(*job);
    enqueue(job);
    return job->record.id;
}

// Of each kind alone: many of one leave the last end of another in memory.
void Jobs::forget_old(const std::string& kind)
{
    std::int64_t kept = 0;
    for (auto at = jobs_.rbegin(); at != jobs_.rend();) {
        const JobRecord& record = at->second->record;
        const bool goes =
            record.kind == kind && is_over(record.state) && kept >= catalog::State::kJobsKept;
        kept += record.kind == kind ? 1 : 0;
        at = goes ? std::make_reverse_iterator(jobs_.erase(std::next(at).base())) : std::next(at);
    }
}

void Jobs::cancel_locked(Job& job, const std::string& who)
{
    if (!job.cancelled_by.empty())
        return;
    job.cancelled_by = who;
    job.must_stop = true;
    if (job.record.state != State::queued)
        return;  // its run ends it
    job.record.state = State::cancelled;
    job.record.ended = system_now();
    job.record.message = "cancelled before it began";
    tell(job, "job.cancelled", who, job.record.message);
    save(job);
    job.notify_watchers();
}

Result<void> Jobs::cancel(std::int64_t id, const std::string& who)
{
    const std::lock_guard lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end())
        return fail(Errc::not_found, fmt::format("there is no job {}", id));
    if (is_over(found->second->record.state))
        return fail(Errc::stale, fmt::format("job {} is over already: {}", id,
                                             to_string(found->second->record.state)));
    cancel_locked(*found->second, who);
    return {};
}

bool Jobs::begin(const JobPtr& job)
{
    const std::lock_guard lock(mutex_);
    if (is_stopping_ || job->record.state != State::queued)
        return false;  // a queued job stays queued in the state, and is taken up again
    job->record.state = State::running;
    job->run_started = job->saved = steady_now();
    job->done_before = job->record.done;
    if (job->was_interrupted)
        tell(*job, "job.resumed", job->record.who, "goes on where it was interrupted");
    else
        tell(*job, "job.started", job->record.who, "started");
    save(*job);
    return true;
}

void Jobs::run(const JobPtr& job)
{
    if (!begin(job))
        return;
    if (kinds_.at(job->record.kind).is_background)
        go_to_background();
    Run run(*this, job);
    Result<End> outcome;
    try {
        outcome = kinds_.at(run.record().kind).work(run);
    } catch (const std::exception& error) {  // exhausted memory (R11): the next one has its turn
        outcome = fail(Errc::unavailable,
                       std::string("the node ran short of something: ") + error.what());
    }
    end(job, outcome);
}

void Jobs::end(const JobPtr& job, const Result<End>& outcome)
{
    const std::lock_guard lock(mutex_);
    JobRecord& record = job->record;
    record.ended = system_now();
    record.message = outcome ? outcome->message : outcome.error().message();
    std::string who = record.who;
    if (!outcome) {
        record.state = State::failed;
    } else if (outcome->is_whole) {
        record.state = State::done;
    } else if (!job->cancelled_by.empty()) {
        record.state = State::cancelled;
        who = job->cancelled_by;
    } else {
        record.state = State::interrupted;
    }
    tell(*job, "job." + std::string(to_string(record.state)), who, record.message);
    save(*job);
    job->notify_watchers();
}

void Jobs::watch(std::int64_t id, const std::shared_ptr<http::Signal>& signal)
{
    const std::lock_guard lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end() || is_over(found->second->record.state))
        return signal->notify();
    auto& watchers = found->second->watchers;
    std::erase_if(watchers, [](const auto& watcher) { return watcher.expired(); });
    watchers.push_back(signal);
}

JobView Jobs::view_of(const Job& job) const
{
    JobView view{job.record, 0, {}};
    if (job.run_started == SteadyTime{} || job.record.state != State::running)
        return view;
    const double seconds = std::chrono::duration<double>(steady_now() - job.run_started).count();
    const auto done =
        static_cast<double>(job.record.done - std::min(job.record.done, job.done_before));
    if (seconds < kLeastSeconds || done <= 0)
        return view;
    view.rate_per_s = done / seconds;
    if (job.record.total >= job.record.done)
        view.remaining_s = static_cast<std::int64_t>(
            static_cast<double>(job.record.total - job.record.done) / view.rate_per_s);
    return view;
}

std::vector<JobView> Jobs::list() const
{
    const std::lock_guard lock(mutex_);
    std::vector<JobView> views;
    for (const auto& [id, job] : jobs_)
        views.push_back(view_of(*job));
    return views;
}

std::optional<JobView> Jobs::find(std::int64_t id) const
{
    const std::lock_guard lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end())
        return std::nullopt;
    return view_of(*found->second);
}

bool Jobs::is_busy(const std::string& kind) const
{
    const std::lock_guard lock(mutex_);
    return std::any_of(jobs_.begin(), jobs_.end(), [&](const auto& entry) {
        return entry.second->record.kind == kind && !is_over(entry.second->record.state);
    });
}

std::optional<SystemTime> Jobs::last(const std::string& kind, bool (*counts)(State)) const
{
    const std::lock_guard lock(mutex_);
    const SystemTime now = system_now();
    std::optional<SystemTime> newest;
    for (const auto& [id, job] : jobs_)
        if (job->record.kind == kind && counts(job->record.state) && job->record.ended <= now)
            newest = std::max(newest.value_or(job->record.ended), job->record.ended);
    return newest;
}

std::optional<SystemTime> Jobs::last_done(const std::string& kind) const
{
    return last(kind, [](State state) { return state == State::done; });
}

std::optional<SystemTime> Jobs::last_over(const std::string& kind) const
{
    return last(kind, is_over);
}

void Jobs::stop()
{
    std::map<std::string, std::unique_ptr<WorkerPool>> ending;  // without the lock: jobs take it
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
        for (const auto& [id, job] : jobs_)
            job->must_stop = true;
        ending.swap(threads_);
    }
}

JobRecord Jobs::Run::record() const
{
    const std::lock_guard lock(jobs_.mutex_);
    return job_->record;
}

bool Jobs::Run::goes_on() const
{
    return !job_->must_stop.load(std::memory_order_relaxed);
}

void Jobs::Run::progress(std::uint64_t done, std::uint64_t total, std::string cursor,
                         std::string result)
{
    const std::lock_guard lock(jobs_.mutex_);
    job_->record.done = done;
    job_->record.total = total;
    job_->record.cursor = std::move(cursor);
    job_->record.result = std::move(result);
    const SteadyTime now = steady_now();
    if (now - job_->saved < kSaveEvery)
        return;
    job_->saved = now;
    jobs_.save(*job_);
}

}  // namespace aptward::archive
