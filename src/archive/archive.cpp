// SPDX-License-Identifier: GPL-3.0-or-later
// The archive's control side: suites, views, schedules.
#include "archive/archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "archive/hot_answers.h"
#include "archive/neighbours.h"
#include "archive/past.h"
#include "archive/rings.h"
#include "archive/shelf.h"
#include "archive/signed_files.h"
#include "archive/suite.h"

namespace aptward::archive {
namespace {

constexpr std::size_t kMostSuites = 500;  // a client cannot make the node remember more
constexpr std::chrono::seconds kLeastPause{60};

}  // namespace

Archive::Archive(ArchiveSettings settings, Services& services)
    : settings_(std::move(settings)),
      services_(services),
      view_(std::make_shared<const catalog::ArchiveView>())
{
    for (const fetch::SourceSettings& upstream : settings_.upstreams)
        sources_.push_back(std::make_shared<fetch::Source>(upstream));
    for (const SnapshotHostSettings& host : settings_.snapshot_hosts)
        snapshot_hosts_.push_back({std::make_shared<fetch::Source>(host.source), host.below});
    ask_sources();
    signed_files_ = std::make_unique<SignedFiles>(*this, services_);
    past_ = std::make_unique<Past>(*this);
    rings_ = std::make_unique<Rings>(*this);
}

Archive::~Archive() = default;

http::Async<void> Archive::wait_for_refreshes(SteadyTime deadline)
{
    std::vector<std::string> names;
    for (const auto& [name, suite] : suites_)
        names.push_back(name);
    for (const std::string& name : names) {
        const auto found = suites_.find(name);  // one that nobody has may have given way meanwhile
        if (found != suites_.end()) {
            co_await found->second->wait_for_refresh(deadline);
        }
    }
}

void Archive::ask_instead(std::vector<fetch::SourcePtr> stand_ins, bool is_alone)
{
    is_alone_ = is_alone;
    asked_ = std::make_shared<const std::vector<fetch::SourcePtr>>(std::move(stand_ins));
}

std::string Archive::SnapshotHost::path_at(SystemTime moment, const std::string& path) const
{
    // Below the source's URL, which has no trailing slash; `below` begins with one or is empty.
    return catalog::format_stamp(moment) + below + "/" + path;
}

std::vector<fetch::SourcePtr> Archive::all_sources() const
{
    std::vector<fetch::SourcePtr> all = sources_;
    for (const SnapshotHost& host : snapshot_hosts_)
        all.push_back(host.source);
    return all;
}

void Archive::want_elsewhere(fetch::Want& want, const catalog::Generation& generation) const
{
    for (const SnapshotHost& host : snapshot_hosts_) {
        fetch::Want::Elsewhere place{host.source, {}};
        for (const std::string& path : want.paths)
            place.paths.push_back(host.path_at(generation.accepted(), path));
        want.elsewhere.push_back(std::move(place));
    }
}

fetch::Want Archive::want_of(const Digest& digest) const
{
    fetch::Want want;
    want.digest = digest;
    want.sources = asked();
    want.archive = settings_.id;
    want.lent = lent();
    // Last: lent credentials are for the first. What a private archive gives away was taken in, and
    // is for no other archive.
    if (!settings_.is_private && services_.private_marks.may_give(digest, settings_.id))
        if (auto on_shelf = services_.shelf.source_of(digest, settings_.id))
            want.sources.push_back(std::move(on_shelf));
    add_apt_cache(want);
    return want;
}

fetch::Want Archive::want_of_pool(const Digest& digest, std::string_view path) const
{
    fetch::Want want = want_of(digest);
    want.paths.push_back(http::encode_path(path));
    if (const Neighbours* near = neighbours())
        near->add_pool(want, path);
    add_service(want);
    return want;
}

fetch::Want Archive::want_of(const std::string& suite, const catalog::Generation& generation,
                             const deb::ListedFile& file) const
{
    fetch::Want want = want_index(suite, generation, file);
    if (const Neighbours* near = neighbours())
        near->add_index(want, file.path);
    return want;
}

// Without other nodes.
fetch::Want Archive::want_index(const std::string& suite, const catalog::Generation& generation,
                                const deb::ListedFile& file) const
{
    fetch::Want want = want_of(file.digests.front());
    want.is_mutable_name = true;
    const std::string folder = suite_folder(suite);
    if (generation.release().acquire_by_hash)
        want.paths.push_back(http::encode_path(folder + by_hash_path(file.path, want.digest)));
    want.paths.push_back(http::encode_path(folder + file.path));
    add_service(want);
    // Of what is served now the upstreams are asked alone: that none has it has to be known.
    const auto now = view_.load();
    const catalog::SuiteView* view = now->find(suite);
    if (view == nullptr || view->current == nullptr || view->current->id() != generation.id())
        want_elsewhere(want, generation);
    return want;
}

bool Archive::may_have_suite(const std::string& suite) const
{
    const auto& only = settings_.only_suites;
    return only.empty() || std::find(only.begin(), only.end(), suite) != only.end();
}

bool Archive::is_known(const std::string& suite) const
{
    const auto& known = settings_.known_suites;
    return std::any_of(known.begin(), known.end(),
                       [&](const KnownSuite& one) { return one.suite == suite; });
}

// Whether one more suite may be remembered: names that nobody publishes give way.
bool Archive::has_room_for(const std::string& name)
{
    if (suites_.count(name) > 0 || is_known(name) || suites_.size() < kMostSuites)
        return true;
    auto oldest = suites_.end();
    for (auto it = suites_.begin(); it != suites_.end(); ++it)
        if (it->second->is_disposable() &&
            (oldest == suites_.end() || it->second->last_try() < oldest->second->last_try()))
            oldest = it;
    if (oldest == suites_.end())
        return false;
    suites_.erase(oldest);
    return true;
}

Suite& Archive::suite(const std::string& name)
{
    auto& slot = suites_[name];
    if (!slot)
        slot = std::make_unique<Suite>(*this, name);
    return *slot;
}

void Archive::publish_view(const std::string& suite, catalog::SuiteView view)
{
    const auto before = view_.load();
    const catalog::SuiteView* known = before->find(suite);
    const bool is_new = known == nullptr;
    const bool is_other = is_new || known->current != view.current;
    auto next = std::make_shared<catalog::ArchiveView>(*view_.load());
    next->suites[suite] = std::move(view);
    view_.store(std::move(next));
    services_.hot_answers.forget();
    if (is_other)
        tell_neighbours();
    if (is_new)
        http::spawn(services_.control, "keeping " + suite + " fresh", keep_fresh(suite));
}

// While nobody asks: so that what is held is recent when the sources die, and so that sources that
// recover are noticed (the breaker's probe).
http::Async<void> Archive::keep_fresh(std::string name)
{
    const auto self = shared_from_this();
    std::minstd_rand random{std::random_device{}()};
    for (;;) {
        const bool is_security = name.find("security") != std::string::npos;
        const auto period = std::max<std::chrono::milliseconds>(
            is_security ? settings_.security_freshness : settings_.freshness, kLeastPause);
        const auto jitter =
            std::chrono::milliseconds(random() % static_cast<unsigned>(period.count() / 5 + 1));
        co_await http::sleep_until(steady_now() + period - period / 10 + jitter);
        if (is_retired_)
            co_return;
        co_await suite(name).refresh();
    }
}

http::Async<void> Archive::restore(std::map<std::string, catalog::SuiteState> suites,
                                   catalog::ArchiveDecisions decisions)
{
    co_await restore_keys(std::move(decisions.approved_keys));
    co_await restore_admission();
    for (auto& [name, state] : suites) {
        catalog::SuiteState owned = std::move(state);
        co_await suite(name).restore(std::move(owned));
    }
    co_await past_->restore(std::move(decisions));
    co_await rings_->update();
    if (!settings_.rings.empty())
        http::spawn(services_.control, "keeping rings", rings_->keep(shared_from_this()));
}

http::Async<bool> Archive::refresh(std::string name, SteadyTime deadline)
{
    auto signal = co_await http::make_signal();
    const auto start = [](std::shared_ptr<Archive> self, std::string suite_name,
                          std::shared_ptr<http::Signal> done) -> http::Async<void> {
        if (self->has_room_for(suite_name)) {
            Suite& target = self->suite(suite_name);
            co_await target.refresh();
        }
        done->notify();
    };
    http::spawn(services_.control, "refreshing " + name, start(shared_from_this(), name, signal));
    co_return co_await signal->wait_until(deadline);
}

http::Task<void> Archive::approve_known(std::string name, std::string release_id, std::string who)
{
    const auto known = suites_.find(name);
    if (known == suites_.end())
        co_return fail(Errc::not_found, "the suite " + name + " is not known here");
    co_return co_await known->second->approve(std::move(release_id), std::move(who));
}

http::Task<void> Archive::approve(std::string name, std::string release_id, std::string who)
{
    auto make = [self = shared_from_this(), name, release_id, who] {
        return self->approve_known(name, release_id, who);
    };
    const SteadyTime deadline = steady_now() + kControlLimit;
    co_return co_await http::on_loop(services_.control, "approving", std::move(make), deadline);
}

void Archive::tell_of_ring(const std::string& ring, const std::string& suite, bool is_kept,
                           const std::string& why) const
{
    catalog::Event event;
    event.code = "ring.lost";
    event.archive = settings_.id;
    event.suite = suite;
    event.message = fmt::format("ring {} {}, because its release is not to be had: {}", ring,
                                is_kept ? "keeps the one before" : "gets what is current", why);
    services_.events.add(std::move(event));
}

std::vector<SuiteReport> Archive::report() const
{
    std::vector<SuiteReport> reports;
    for (const auto& [name, suite] : suites_)
        if (suite->view().current || !suite->is_absent())
            reports.push_back(suite->report());
    return reports;
}

std::vector<RingReport> Archive::ring_reports() const
{
    std::vector<RingReport> reports;
    for (const RingSettings& ring : settings_.rings)
        reports.push_back({ring.name, rings_->view(reports.size() + 1)});
    return reports;
}

http::Async<std::vector<std::string>> Archive::rejudge(const ArchiveSettings& other)
{
    const crypto::Keyring keyring = other.keyring;
    const trust::Policy under = policy(other);
    std::vector<std::string> refusals;
    const bool must_be_proven = other.verify == Verify::enforce;
    for (const auto& [name, suite] : suites_) {
        auto refusal = co_await suite->rejudge(keyring, under, must_be_proven);
        if (!refusal.empty())
            refusals.push_back(std::move(refusal));
    }
    co_return refusals;
}

}  // namespace aptward::archive
