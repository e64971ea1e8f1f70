// SPDX-License-Identifier: GPL-3.0-or-later
// What a suite was at a moment of which this node knows nothing: from the vendor's snapshot hosts.
// docs/decisions/0023-snapshot-hosts.md.
#include <fmt/format.h>

#include <algorithm>

#include "archive/counted.h"
#include "archive/past.h"
#include "archive/suite.h"
#include "base/text.h"

namespace aptward::archive {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAskLimit{8000};
constexpr milliseconds kGrace{1000};     // for the other hosts, after the first good answer
constexpr milliseconds kAllLimit{8700};  // for all suites that a moment needs
constexpr std::chrono::seconds kAskAgain{60};
constexpr std::size_t kMostNotHad = 64;
constexpr std::size_t kMostWaiting = 4;       // each may take as long as the first
constexpr std::size_t kMostFromHosts = 1000;  // clients can name moments without end

}  // namespace

// What needs no question: nothing wrong with a known moment, or why it was not to be had lately.
std::optional<std::string> Suite::known_of_hosts(SystemTime moment) const
{
    if (catalog::is_known_at(timeline_, from_hosts_, moment))
        return std::string();
    const auto before = not_had_.find(moment);
    if (before != not_had_.end() && steady_now() - before->second.first < kAskAgain)
        return before->second.second;
    return std::nullopt;
}

http::Async<std::string> Suite::look_at_hosts(SystemTime moment)
{
    if (const auto known = known_of_hosts(moment))
        co_return *known;
    if (hosts_waiting_ >= kMostWaiting)
        co_return "the snapshot hosts are being asked for other moments; ask again";
    const Counted asking(asks_running_);  // keeps this suite
    const Counted waiting(hosts_waiting_);
    co_await host_turns_.take();
    const Turns::Held turn(host_turns_);
    if (const auto known = known_of_hosts(moment))
        co_return *known;
    auto why = co_await ask_hosts(moment);
    if (why.empty())
        co_return why;
    if (not_had_.size() >= kMostNotHad)
        not_had_.clear();
    not_had_[moment] = {steady_now(), why};
    // Anybody can make up the name of a suite.
    is_made_up_ = true;
    co_return why;
}

http::Async<std::string> Suite::ask_hosts(SystemTime moment)
{
    if (from_hosts_.size() >= kMostFromHosts)
        co_return fmt::format("{} releases of this suite came from snapshot hosts already",
                              kMostFromHosts);
    auto gathering = std::make_shared<Gathering>();
    gathering->signal = co_await http::make_signal();
    gathering->asked = gathering->pending = archive_.snapshot_hosts().size();
    asks_running_ += gathering->asked;
    for (std::size_t host = 0; host < gathering->asked; ++host)
        http::spawn(services_.control, "asking a snapshot host",
                    ask_host(archive_.shared_from_this(), gathering, host, moment));
    co_await gather(gathering, kAskLimit + milliseconds(500), kGrace);
    std::vector<Observation> candidates = std::move(gathering->accepted);
    std::sort(candidates.begin(), candidates.end(),
              [](const auto& a, const auto& b) { return a.judgement.date > b.judgement.date; });
    std::string why = gathering->last_error;
    for (Observation& candidate : candidates) {
        why = check_beside_known(candidate, moment);
        if (!why.empty())
            continue;
        Observation chosen = std::move(candidate);
        co_return co_await take_from_host(std::move(chosen), moment);
    }
    co_return why.empty() ? "no snapshot host answered in time" : why;
}

// `archive` keeps this suite alive.
http::Async<void> Suite::ask_host(std::shared_ptr<Archive> archive,
                                  std::shared_ptr<Gathering> gathering, std::size_t host,
                                  SystemTime moment)
{
    Observation observation;
    observation.source = archive->snapshot_hosts()[host].source;
    observation.origin = observation.source->url();
    auto files = co_await get_past_files(host, moment);
    if (files) {
        observation.files = std::move(*files);
        auto judgement = co_await judge_under(observation.files, archive_.settings_.keyring,
                                              archive_.policy(archive_.settings_),
                                              trust::Freshness::past, moment);
        observation.judgement = std::move(judgement);
        const trust::Verdict& verdict = observation.judgement.verdict;
        if (!observation.judgement.is_accepted()) {
            tell_refused(observation);
            gathering->last_error = fmt::format("what {} shows of it is refused: {}: {}",
                                                observation.origin, verdict.code, verdict.message);
        } else if (!gathering->is_closed) {
            gathering->accepted.push_back(std::move(observation));
        }
    } else {
        gathering->last_error = files.error().message();
    }
    --asks_running_;
    --gathering->pending;
    gathering->signal->notify();
}

http::Task<catalog::ReleaseFiles> Suite::get_past_files(std::size_t host, SystemTime moment)
{
    const Archive::SnapshotHost& from = archive_.snapshot_hosts()[host];
    fetch::DocumentRequest request;
    request.archive = archive_.settings_.id;
    request.source = from.source;
    request.limit_bytes = crypto::kMaxReleaseBytes;
    request.time_limit = kAskLimit;
    request.is_optional = true;
    const std::string folder = http::encode_path(suite_folder(name_));
    catalog::ReleaseFiles files;
    request.path = from.path_at(moment, folder + "InRelease");
    auto inrelease = co_await services_.fetcher.document(request);
    if (inrelease) {
        files.inrelease = std::move(inrelease->body);
        co_return files;
    }
    if (inrelease.error().code() != Errc::not_found)  // V11
        co_return tl::unexpected<Error>(inrelease.error());
    request.path = from.path_at(moment, folder + "Release");
    CO_TRY(auto release, co_await services_.fetcher.document(request));
    request.path = from.path_at(moment, folder + "Release.gpg");
    auto signature = co_await services_.fetcher.document(request);
    if (!signature && signature.error().code() != Errc::not_found)
        co_return tl::unexpected<Error>(signature.error());
    files.release = std::move(release.body);
    if (signature)
        files.release_gpg = std::move(signature->body);
    co_return files;
}

// A release is proven to be the vendor's, not to be the one of that moment: what is known already
// says where a host is wrong. Empty: nothing speaks against it.
std::string Suite::check_beside_known(const Observation& observation, SystemTime moment)
{
    const SystemTime date = *observation.judgement.date;
    std::string code, why;
    for (const catalog::Timeline* each : {&timeline_, &from_hosts_})
        for (const catalog::Published& one : *each) {
            if (one.date > date && one.date <= moment) {
                code = "release.rollback";
                why =
                    fmt::format("{} shows a release of {} for {}, but there was one of {} by then",
                                observation.origin, deb::format_release_date(date),
                                catalog::format_stamp(moment), deb::format_release_date(one.date));
            } else if (one.date == date && one.release != observation.judgement.id) {
                code = "release.equivocation";
                why = fmt::format("{} shows another release of {} than the one that is known",
                                  observation.origin, deb::format_release_date(date));
            }
        }
    if (why.empty())
        return why;
    Observation refused = observation;
    refused.judgement.verdict = {code, why};
    tell_refused(refused);
    return why;
}

http::Async<std::string> Suite::take_from_host(Observation observation, SystemTime moment)
{
    if (archive_.is_retired_)
        co_return "another configuration took over";
    const trust::VerifiedRelease& release = *observation.judgement.release;
    catalog::Releases::Stored stored{
        release.id(), archive_.settings_.id, name_, observation.origin, moment,
        false,        observation.files};
    catalog::Published published{release.id(), *release.release().date,
                                 archive_.past_->time_to_publish(), release.signers(), moment};
    const auto has_its_id = [&](const catalog::Published& one) {
        return one.release == published.release;
    };
    // That it stood a moment longer is not worth an entry of the journal each time.
    if (std::none_of(from_hosts_.begin(), from_hosts_.end(), has_its_id)) {
        auto job = [this, stored = std::move(stored), published]() -> Result<void> {
            TRY_VOID(services_.releases.put(stored));
            return services_.state.note_from_host(stored.archive, name_, published);
        };
        const auto kept = co_await http::on_worker(services_.state_thread, std::move(job));
        if (!kept)
            co_return kept.error().message();
        event("release.from-host", observation.origin,
              fmt::format("the release of {} stood at {}, says this snapshot host",
                          deb::format_release_date(published.date), catalog::format_stamp(moment)),
              published.release);
    }
    const SystemTime date = published.date;
    catalog::note_from_host(from_hosts_, std::move(published));
    archive_.past_->note_published(date);
    co_return std::string();
}

// `archive` keeps this alive.
http::Async<void> Past::ask_for(std::shared_ptr<Archive> archive, std::shared_ptr<Asking> asking,
                                std::string suite, SystemTime moment)
{
    auto why = co_await archive->suite(suite).look_at_hosts(moment);
    if (why.empty())
        asking->not_had.erase(suite);
    else
        asking->not_had[suite] = std::move(why);
    --asking->pending;
    asking->signal->notify();
}

http::Async<Past::NotHad> Past::look_at_hosts(SystemTime moment, std::vector<std::string> suites)
{
    auto asking = std::make_shared<Asking>();
    asking->signal = co_await http::make_signal();
    // A frozen archive has nothing that comes after the order, and a drill plays without them.
    const bool is_asking = !archive_.snapshot_hosts_.empty() && !frozen_.load() &&
                           archive_.asked() == archive_.sources_ && moment <= system_now();
    if (!is_asking)
        suites.clear();
    for (const std::string& name : suites) {
        if (!archive_.may_have_suite(name) || !archive_.has_room_for(name))
            continue;
        archive_.suite(name);  // takes its room in this moment
        ++asking->pending;
        asking->not_had[name] = "its snapshot hosts are still being asked, ask again";
        http::spawn(archive_.services_.control, "asking for " + name,
                    ask_for(archive_.shared_from_this(), asking, name, moment));
    }
    const SteadyTime deadline = steady_now() + kAllLimit;
    while (asking->pending > 0 && steady_now() < deadline) {
        co_await asking->signal->wait_until(deadline);
    }
    co_return asking->not_had;
}

http::Async<Past::NotHad> Past::look_at_hosts(SystemTime moment)
{
    std::vector<std::string> names;
    for (const auto& [name, suite] : archive_.suites_)
        if (suite->view().current || archive_.is_known(name))
            names.push_back(name);
    co_return co_await look_at_hosts(moment, std::move(names));
}

}  // namespace aptward::archive
