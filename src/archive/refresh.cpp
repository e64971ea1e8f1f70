// SPDX-License-Identifier: GPL-3.0-or-later
// Asking the sources for a suite's release. What it thinks of one: judging.cpp.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "archive/neighbours.h"
#include "archive/suite.h"
#include "base/text.h"

namespace aptward::archive {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAskLimit{8000};
constexpr std::chrono::minutes kDetachedAgain{1};
// After the first good answer the others have this long to show a newer release (A7).
constexpr milliseconds kGrace{250};
// Sources first: what another node has may be superseded. A client waits for a second.
constexpr milliseconds kNeighboursLater{500};

// What was shown and refused says more than that another source is down.
std::string why_nothing_came(const std::string& refusal, const std::string& error)
{
    if (!refusal.empty())
        return refusal;
    return error.empty() ? "no source answered in time" : error;
}

}  // namespace

Suite::Suite(Archive& archive, std::string name)
    : archive_(archive), services_(archive.services_), name_(std::move(name))
{
}

void Suite::event(std::string code, const std::string& source, std::string message,
                  std::string evidence)
{
    catalog::Event event;
    event.code = std::move(code);
    event.archive = archive_.settings_.id;
    event.suite = name_;
    event.source = source;
    event.message = std::move(message);
    event.evidence = std::move(evidence);
    services_.events.add(std::move(event));
}

http::Async<void> Suite::refresh()
{
    if (!archive_.may_ask_sources()) {
        not_refreshed_ = "no client with credentials for it came lately";
        co_return;
    }
    if (is_refreshing_) {
        co_await wait_for_refresh(steady_now() + 2 * kAskLimit);
        co_return;
    }
    if (is_absent_ && !view_.current && steady_now() - last_try_ < kAbsentAgain)
        co_return;  // a name that somebody made up
    is_refreshing_ = true;
    const auto expecting = archive_.awaited_.expect();
    try {
        co_await ask_all();
    } catch (const std::exception& error) {  // exhausted memory (R11): the next one asks again
        not_refreshed_ = std::string("the node ran short of something: ") + error.what();
        event("release.held", "", not_refreshed_);
    }
    last_try_ = steady_now();
    is_refreshing_ = false;
    for (const auto& signal : std::exchange(waiting_, {}))
        signal->notify();
}

http::Async<void> Suite::wait_for_refresh(SteadyTime deadline)
{
    if (!is_refreshing_)
        co_return;
    auto signal = co_await http::make_signal();
    waiting_.push_back(signal);
    co_await signal->wait_until(deadline);
}

http::Async<void> Suite::ask_all()
{
    auto gathering = std::make_shared<Gathering>();
    gathering->signal = co_await http::make_signal();
    const std::vector<fetch::SourcePtr> sources = archive_.asked();
    gathering->asked = gathering->pending = sources.size();
    if (!view_.current && archive_.neighbours() != nullptr)
        http::spawn(services_.control, "asking neighbours for " + name_,
                    ask_neighbours(archive_.shared_from_this(), name_));
    for (const fetch::SourcePtr& source : sources)
        http::spawn(services_.control, "asking " + source->url(),
                    ask(archive_.shared_from_this(), gathering, source));
    asks_running_ += gathering->asked;
    co_await gather(gathering, kAskLimit + milliseconds(500), kGrace);
    is_absent_ = gathering->asked > 0 && gathering->missing == gathering->asked;
    if (gathering->accepted.empty()) {
        if (!gathering->last_error.empty() && !view_.current)
            verdict_ = {"suite.unavailable", gathering->last_error};
        not_refreshed_ = why_nothing_came(gathering->last_refusal, gathering->last_error);
        co_return;
    }
    co_await take_newest(std::move(gathering->accepted));
    // One that waits for stock does so by the operator's wish.
    not_refreshed_ = is_stocking_ ? "" : held_;
}

// Somebody's first request for a suite may come when no source answers any more. By name: one that
// nobody has may be gone by then, and is not kept for this.
http::Async<void> Suite::ask_neighbours(std::shared_ptr<Archive> archive, std::string name)
{
    co_await http::sleep_until(steady_now() + kNeighboursLater);
    const auto found = archive->suites_.find(name);
    if (found == archive->suites_.end() || archive->neighbours() == nullptr)
        co_return;
    const Suite& suite = *found->second;
    if (!suite.view_.current && !suite.is_absent_)
        archive->services_.neighbours->look_for(archive, name);
}

http::Async<void> Suite::take_newest(std::vector<Observation> accepted)
{
    // What an operator approved comes first: it may be older than what has to go. Of equals, the
    // one that came first.
    const auto rank = [this](const Observation& observation) {
        return std::pair(floor_.approved.count(observation.judgement.id) > 0,
                         observation.judgement.date);
    };
    std::multimap<std::pair<bool, std::optional<SystemTime>>, Observation, std::greater<>> ranked;
    for (Observation& observation : accepted)
        ranked.emplace(rank(observation), std::move(observation));
    std::vector<Observation> candidates;
    for (auto& [place, observation] : ranked)
        candidates.push_back(std::move(observation));
    const Observation& newest = candidates.front();
    for (const Observation& observation : candidates)
        if (observation.judgement.date < newest.judgement.date) {
            event("release.freeze_suspected", observation.origin,
                  "it shows an older release than " + newest.origin, observation.judgement.id);
            services_.fetcher.charge(observation.source, fetch::Fault::stale, name_);
        }
    co_await adopt_first_whole(std::move(candidates));
}

http::Async<void> Suite::gather(std::shared_ptr<Gathering> gathering, milliseconds limit,
                                milliseconds grace)
{
    SteadyTime deadline = steady_now() + limit;
    bool has_one = false;
    while (gathering->pending > 0 && steady_now() < deadline) {
        co_await gathering->signal->wait_until(deadline);
        if (!gathering->accepted.empty() && !std::exchange(has_one, true))
            deadline = std::min(deadline, steady_now() + grace);
    }
    gathering->is_closed = true;
}

// The newest one may come from a mirror in the middle of a sync: then an older one that is whole is
// shown, if that is newer than what clients have.
http::Async<void> Suite::adopt_first_whole(std::vector<Observation> candidates)
{
    std::set<std::string> tried;
    bool is_settled = false;
    for (const Observation& candidate : candidates) {
        // One signed for the same moment as the first is refused under what that one left, and
        // told.
        const bool is_rival = candidate.judgement.date == candidates.front().judgement.date;
        const bool is_newer = !view_.current || candidate.judgement.date > view_.current->date();
        const bool is_wanted = is_newer || floor_.approved.count(candidate.judgement.id) > 0;
        if (!is_rival && (is_settled || !is_wanted))
            break;
        if (!tried.insert(candidate.judgement.id).second)
            continue;
        Observation next = candidate;
        co_await adopt(std::move(next));
        is_settled = is_settled || (view_.current && view_.current->id() == candidate.judgement.id);
    }
}

// `archive` keeps this suite alive: a slow source may answer after a reload has let go of it.
http::Async<void> Suite::ask(std::shared_ptr<Archive> archive, std::shared_ptr<Gathering> gathering,
                             fetch::SourcePtr source)
{
    co_await look_at(gathering, std::move(source));
    --archive->suite(name_).asks_running_;
    --gathering->pending;
    gathering->signal->notify();
}

http::Async<void> Suite::look_at(std::shared_ptr<Gathering> gathering, fetch::SourcePtr source)
{
    auto files = co_await get_files(source);
    if (!files) {
        if (files.error().code() == Errc::not_found)
            ++gathering->missing;
        gathering->last_error = files.error().message();
        co_return;
    }
    Observation observation;
    observation.source = source;
    observation.origin = source->url();
    observation.files = *files;
    auto judgement = co_await judge(source->url(), *files);
    observation.judgement = std::move(judgement);
    note_seen(observation.judgement);
    if (observation.judgement.is_accepted()) {
        if (!gathering->is_closed) {
            gathering->accepted.push_back(observation);
        } else {
            co_await adopt(observation);  // late, but perhaps newer
        }
    } else {
        // What peers have shown is signed as well: this source lags behind, or is kept behind (A7).
        if (!has_source_shown_ && observation.judgement.verdict.code == "release.rollback")
            event("release.freeze_suspected", observation.origin,
                  "it shows an older release than " + view_.current->origin_url(),
                  observation.judgement.id);
        if (source->was_disturbed())
            refuse_spoiled(observation);
        else
            refuse(observation);
        // Else "not modified" would keep what was refused, when the source has the right one again.
        seen_.erase(source->url());
        gathering->last_error =
            observation.judgement.verdict.code + ": " + observation.judgement.verdict.message;
        gathering->last_refusal = gathering->last_error;
    }
}

http::Task<catalog::ReleaseFiles> Suite::get_files(fetch::SourcePtr source)
{
    const std::string folder = suite_folder(name_);
    fetch::DocumentRequest request;
    request.archive = archive_.settings_.id;
    request.source = source;
    request.path = http::encode_path(folder + "InRelease");
    request.limit_bytes = crypto::kMaxReleaseBytes;
    request.time_limit = kAskLimit;
    request.is_optional = true;
    if (archive_.is_first(source))
        request.lent = archive_.lent();
    const Seen before = seen_[source->url()];
    request.etag = before.etag;
    request.last_modified = before.last_modified;
    auto inrelease = co_await services_.fetcher.document(request);
    if (inrelease && inrelease->is_unchanged)
        co_return before.files;
    catalog::ReleaseFiles files;
    if (inrelease) {
        files.inrelease = std::move(inrelease->body);
        seen_[source->url()] = {inrelease->etag, inrelease->last_modified, files};
        co_return files;
    }
    // V11: only "it has no InRelease" leads to the detached form; never any other failure.
    if (inrelease.error().code() != Errc::not_found)
        co_return tl::unexpected<Error>(inrelease.error());
    request.etag.clear();
    request.last_modified.clear();
    request.path = http::encode_path(folder + "Release");
    CO_TRY(auto release, co_await services_.fetcher.document(request));
    request.path = http::encode_path(folder + "Release.gpg");
    auto signature = co_await services_.fetcher.document(request);
    if (!signature && signature.error().code() != Errc::not_found)
        co_return tl::unexpected<Error>(signature.error());
    files.release = std::move(release.body);
    if (signature)
        files.release_gpg = std::move(signature->body);
    co_return files;
}

http::Async<void> Suite::fetch_detached()
{
    auto step = [this] { return ask_for_detached(); };
    co_await in_turn(turns_, std::move(step));
}

http::Async<void> Suite::ask_for_detached()
{
    if (!view_.current || !view_.current->files().release_gpg.empty())
        co_return;
    if (view_.current->id() == no_detached_of_ && steady_now() < no_detached_until_)
        co_return;
    const catalog::GenerationPtr generation = view_.current;
    const std::vector<fetch::SourcePtr> sources = archive_.asked();
    for (const fetch::SourcePtr& source : sources) {
        fetch::DocumentRequest request;
        request.archive = archive_.settings_.id;
        request.source = source;
        request.limit_bytes = crypto::kMaxReleaseBytes;
        request.time_limit = milliseconds(3000);
        request.is_optional = true;
        if (archive_.is_first(source))
            request.lent = archive_.lent();
        catalog::ReleaseFiles files;
        request.path = http::encode_path(suite_folder(name_) + "Release");
        auto release = co_await services_.fetcher.document(request);
        request.path = http::encode_path(suite_folder(name_) + "Release.gpg");
        auto signature = co_await services_.fetcher.document(request);
        if (!release || !signature)
            continue;
        files.release = std::move(release->body);
        files.release_gpg = std::move(signature->body);
        const auto judgement = co_await judge_under(files, archive_.settings_.keyring,
                                                    archive_.policy(archive_.settings_),
                                                    trust::Freshness::stored, system_now());
        // The three files of a suite are of one generation, or two of them are not offered (D.3).
        if (!judgement.is_accepted() || judgement.id != generation->id() ||
            view_.current != generation)
            continue;
        files.inrelease = generation->files().inrelease;
        view_.current = generation->with_files(files);
        archive_.publish_view(name_, view_);
        co_return;
    }
    no_detached_of_ = generation->id();
    no_detached_until_ = steady_now() + kDetachedAgain;
}

http::Task<void> Suite::approve(std::string release_id, std::string who)
{
    auto job = [this, release_id, who] {
        return services_.state.approve(archive_.settings_.id, name_, release_id, who);
    };
    auto done = co_await http::on_worker(services_.state_thread, job);
    if (done) {
        floor_.approved.insert(release_id);
        archive_.ask_neighbours_again();
        event("release.approved", "", "approved by " + who, release_id);
    }
    co_return done;
}

SuiteReport Suite::report() const
{
    SuiteReport report;
    report.suite = name_;
    report.verdict = withdrawn_.empty() ? verdict_ : trust::Verdict{"keys.revoked", withdrawn_};
    report.held = held_;
    report.checked_at = view_.checked_at;
    report.newest_seen = newest_seen_;
    if (view_.current) {
        report.generation = view_.current->id();
        report.date = view_.current->date();
        report.newest_seen = std::max(report.newest_seen, report.date);
        report.valid_until = view_.current->release().valid_until;
        report.signers = view_.current->verified().signers();
        for (const std::string& signer : report.signers)
            if (archive_.settings_.keyring.find(signer) == nullptr)
                report.unknown_signers.push_back(signer);
        if (report.signers.empty())
            report.observed = observed_;
        report.indexes = view_.current->tables().size();
        for (const auto& [base, table] : view_.current->tables())
            report.pool_files += table->size();
    }
    return report;
}

}  // namespace aptward::archive
