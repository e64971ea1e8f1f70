// SPDX-License-Identifier: GPL-3.0-or-later
// From an accepted release to a published generation: its indexes fetched by digest, checked, made
// into tables (suite_tables.cpp); then one switch.
#include <fmt/format.h>

#include <algorithm>

#include "archive/neighbours.h"
#include "archive/past.h"
#include "archive/prefetch.h"
#include "archive/rings.h"
#include "archive/suite.h"
#include "base/check.h"

namespace aptward::archive {
namespace {

constexpr std::chrono::hours kVanishedWait{6};  // a vendor may really have dropped an index

using catalog::is_tabled;

// The Packages and Sources of a configured suite, without their compression suffix.
std::vector<std::string> index_bases(const KnownSuite& known, const deb::Release& release)
{
    if (!known.suite.empty() && known.suite.back() == '/')
        return known.has_sources ? std::vector<std::string>{"Packages", "Sources"}
                                 : std::vector<std::string>{"Packages"};
    std::vector<std::string> bases;
    std::vector<std::string> architectures = known.architectures;
    const auto& published = release.architectures;
    if (std::find(published.begin(), published.end(), "all") != published.end() &&
        !release.packages_without_all)
        architectures.push_back("all");
    for (const std::string& component : known.components) {
        for (const std::string& architecture : architectures)
            bases.push_back(component + "/binary-" + architecture + "/Packages");
        if (known.has_sources)
            bases.push_back(component + "/source/Sources");
    }
    return bases;
}

// In the order in which apt prefers them.
std::optional<std::string> best_variant(const deb::Release& release, const std::string& base)
{
    for (const char* suffix : {".xz", ".zst", ".gz", ".bz2", ".lzma", ""})
        if (release.find(base + suffix) != nullptr)
            return base + suffix;
    return std::nullopt;
}

}  // namespace

// Another node's word is no answer of a source: what it brought is asked about at the next request.
void Suite::touch(bool is_from_peer)
{
    if (!is_from_peer) {
        view_.checked = steady_now();
        has_source_shown_ = true;
    }
    if (!is_from_peer || view_.checked_at == SystemTime{})
        view_.checked_at = system_now();
    archive_.publish_view(name_, view_);
}

// The form of an index that clients use; else the one that apt would.
std::optional<std::string> Suite::listed_form(const deb::Release& release,
                                              const std::string& base) const
{
    for (const std::string& path : used_)
        if (deb::without_compression(path) == base && release.find(path) != nullptr)
            return path;
    return best_variant(release, base);
}

// Of what clients use and the configuration names, what this release lists: everything that must be
// there before it is shown.
std::vector<std::string> Suite::needed_indexes(const deb::Release& release) const
{
    std::vector<std::string> needed;
    std::set<std::string_view> bases;
    for (const std::string& path : used_)
        if (release.find(path) != nullptr) {
            needed.push_back(path);
            bases.insert(deb::without_compression(path));
        }
    for (const KnownSuite& known : archive_.settings_.known_suites) {
        if (known.suite != name_)
            continue;
        for (const std::string& base : index_bases(known, release))
            if (bases.count(base) == 0)
                if (auto path = best_variant(release, base))
                    needed.push_back(*path);
    }
    return needed;
}

http::Async<void> Suite::in_turn(Turns& turns, std::function<http::Async<void>()> step)
{
    co_await turns.take();
    std::string failure;
    try {
        co_await step();
    } catch (const std::exception& error) {
        failure = error.what();
    }
    if (!failure.empty()) {
        failure = "the node ran short of something: " + failure;
        event("release.held", "", failure);
        if (&turns == &turns_)
            held_ = std::move(failure);
    }
    turns.end();
}

// Whoever asks for many moments has to wait for their tables alone: a new release does not.
Turns& Suite::turns_of(const std::string& generation_id)
{
    return view_.current && view_.current->id() == generation_id ? turns_ : past_turns_;
}

http::Async<void> Suite::adopt(Observation observation)
{
    auto step = [this, observation = std::move(observation)] { return adopt_in_turn(observation); };
    co_await in_turn(turns_, std::move(step));
}

// While it waited, another release may have been published: judged again under what that one left.
http::Async<bool> Suite::still_holds(Observation& observation)
{
    auto again = co_await judge(observation.origin, observation.files);
    observation.judgement = std::move(again);
    if (!observation.judgement.is_accepted()) {
        refuse(observation);
        co_return false;
    }
    // A late answer, overtaken; unless an operator wants that very one back.
    const trust::VerifiedRelease& release = *observation.judgement.release;
    co_return !view_.current || view_.current->date() <= *release.release().date ||
        floor_.approved.count(release.id()) > 0;
}

http::Async<void> Suite::adopt_in_turn(Observation observation)
{
    const bool holds = co_await still_holds(observation);
    if (!holds)
        co_return;
    const trust::VerifiedRelease& release = *observation.judgement.release;
    archive_.note_vouched(observation.judgement.unapproved, release.id());
    if (view_.current && view_.current->id() == release.id()) {
        verdict_ = observation.judgement.verdict;
        held_.clear();
        touch(observation.is_from_peer);
        co_return;
    }
    auto whole = co_await complete(std::make_shared<const catalog::Generation>(
        release, observation.files, system_now(), observation.origin));
    if (!whole) {
        hold(observation, whole.error().message());
        co_return;
    }
    if (must_wait_for_stock(observation)) {
        wait_for_stock(std::move(observation), *whole);
        co_return;
    }
    const bool is_committed = co_await commit(*whole, observation.is_from_peer);
    if (is_committed) {
        verdict_ = observation.judgement.verdict;
        held_.clear();
    }
}

bool is_security(const ArchiveSettings& settings, const std::string& suite)
{
    const auto tells = [](const std::string& name) {
        return name.find("security") != std::string::npos;
    };
    return tells(suite) || tells(settings.id) ||
           std::any_of(settings.upstreams.begin(), settings.upstreams.end(),
                       [&](const fetch::SourceSettings& one) { return tells(one.url); });
}

// Clients lose nothing by the first release of all, and want no delay of security updates or of
// what an operator has chosen.
bool Suite::must_wait_for_stock(const Observation& observation) const
{
    const std::string& id = observation.judgement.id;
    return services_.prefetcher != nullptr && services_.prefetcher->has_patience() &&
           view_.current && (observation.source != nullptr || observation.is_from_peer) &&
           stocked_ != id && floor_.approved.count(id) == 0 && !archive_.settings_.is_private &&
           !is_security(archive_.settings_, name_);
}

// A newer one that comes meanwhile waits for this one, and is seen again by the next refresh.
void Suite::wait_for_stock(Observation observation, catalog::GenerationPtr generation)
{
    const bool is_from_peer = observation.is_from_peer;
    if (!is_stocking_) {
        held_ = "release of " + deb::format_release_date(generation->date()) +
                " waits until what clients will want of it is held";
        event("release.stocking", observation.origin, held_, generation->id());
        http::spawn(
            services_.control, "stocking " + name_,
            stock_up(archive_.shared_from_this(), std::move(observation), std::move(generation)));
        is_stocking_ = true;
    }
    touch(is_from_peer);
}

// `archive` keeps this suite alive: a reload may let go of it.
http::Async<void> Suite::stock_up(std::shared_ptr<Archive> archive, Observation observation,
                                  catalog::GenerationPtr generation)
{
    const auto awaited = archive_.awaited_.add({name_, generation});
    bool is_whole = false;
    std::string failure;
    try {
        is_whole = co_await services_.prefetcher->fetch(archive, name_, generation);
    } catch (const std::exception& error) {  // exhausted memory (R11): it is shown without
        failure = error.what();
    }
    stocked_ = generation->id();
    is_stocking_ = false;
    held_.clear();
    if (!failure.empty())
        event("stock.failed", "", failure, generation->id());
    co_await adopt(std::move(observation));
    if (!is_whole)
        services_.prefetcher->note_shown(archive_.settings_.id, name_);
}

void Suite::hold(const Observation& observation, std::string why)
{
    held_ = "release of " + deb::format_release_date(*observation.judgement.date) +
            " is held: an index is not to be had: " + std::move(why);
    event("release.held", observation.origin, held_, observation.judgement.id);
    if (view_.current)
        touch(observation.is_from_peer);
}

// apt works without the indexes that name no packages, and has to without those that no source has
// any more: to withhold one delays releases, but not for ever, however many come meanwhile.
bool Suite::is_overdue(const std::string& path, std::chrono::seconds patience)
{
    const std::string base(deb::without_compression(path));
    const SteadyTime since = waits_since_.emplace(base, steady_now()).first->second;
    return steady_now() - since >= patience;
}

// Whether clients have this index of the release before. Releases list much that nobody publishes;
// but what was there and is gone is on its way, or withheld.
bool Suite::was_there(const std::string& path) const
{
    return view_.current &&
           view_.current->tables().count(std::string(deb::without_compression(path))) > 0;
}

// With a table of every index that it needs. Fails as fetching them does.
http::Task<catalog::GenerationPtr> Suite::complete(catalog::GenerationPtr generation)
{
    const auto awaited = archive_.awaited_.add({name_, generation});
    if (services_.neighbours != nullptr)
        services_.neighbours->note_awaited();
    for (const std::string& path : needed_indexes(generation->release())) {
        Result<void> got;
        if (is_tabled(path)) {
            auto table = co_await table_of(*generation, path);
            if (table)
                generation =
                    generation->with_table(std::string(deb::without_compression(path)), *table);
            else
                got = tl::unexpected<Error>(table.error());
        } else {
            got = co_await fetch_blob(want_of(*generation, *generation->release().find(path)));
        }
        if (got) {
            waits_since_.erase(std::string(deb::without_compression(path)));
            continue;
        }
        const bool is_absent = got.error().code() == Errc::not_found;
        if (is_absent && !was_there(path))
            continue;
        const auto patience = is_absent ? kVanishedWait : archive_.settings_.optional_wait;
        const bool has_waited = is_overdue(path, patience);
        if (!has_waited || (is_tabled(path) && !is_absent))
            co_return tl::unexpected<Error>(Error(got.error()).within(path));
        event("release.incomplete", generation->origin_url(),
              path + " is not to be had: " + got.error().message() +
                  "; the release is published without it",
              generation->id());
    }
    if (generation->tables().empty()) {
        const auto looked = co_await look_at_likely_index(*generation);
        if (!looked)
            co_return tl::unexpected<Error>(looked.error());
    }
    co_return generation;
}

http::Async<bool> Suite::commit(catalog::GenerationPtr generation, bool is_from_peer)
{
    if (archive_.is_retired_)
        co_return false;  // another configuration took over, and judges for itself
    const std::string id = generation->id();
    // What nobody signed says nothing about what the vendor may sign: it raises no floor.
    const bool is_proven = !generation->verified().signers().empty();
    trust::Floor floor = is_proven ? trust::raise(floor_, generation->verified()) : floor_;
    floor.approved.erase(id);  // an approval counts once: else an old release came back and back
    catalog::Releases::Stored stored{id,
                                     archive_.settings_.id,
                                     name_,
                                     generation->origin_url(),
                                     generation->accepted(),
                                     generation->verified().signers().empty(),
                                     generation->files()};
    const catalog::Published published{id, generation->date(), archive_.past_->time_to_publish(),
                                       floor.signers};
    auto job = [this, stored = std::move(stored), floor, published]() -> Result<void> {
        TRY_VOID(services_.releases.put(stored));
        return services_.state.publish(stored.archive, name_, floor, published);
    };
    const auto committed = co_await http::on_worker(services_.state_thread, std::move(job));
    if (!committed) {
        held_ = committed.error().message();
        event("store.failed", "", held_, id);
        co_return false;
    }
    floor_ = std::move(floor);
    if (archive_.settings_.pins_first_signer) {
        std::set<std::string> signers(floor_.signers.begin(), floor_.signers.end());
        co_await archive_.count_keys(std::move(signers), "first signer");
    }
    event("release.published", generation->origin_url(),
          "published the release of " + deb::format_release_date(generation->date()), id);
    catalog::note_published(timeline_, published);
    archive_.rings_->hold_back(name_, view_.current);
    show(std::move(generation), is_from_peer);
    archive_.past_->note_published(published.date);
    archive_.rings_->note_published();
    if (services_.prefetcher != nullptr && stocked_ != id)
        services_.prefetcher->note_shown(archive_.settings_.id, name_);
    drop_withdrawn();  // a revocation may have come meanwhile
    co_return true;
}

// The switch: one assignment of one pointer makes the generation visible (V34).
void Suite::show(catalog::GenerationPtr generation, bool is_from_peer)
{
    if (view_.current)
        view_.recent.insert(view_.recent.begin(), view_.current);
    if (view_.recent.size() > kRecentKept)
        view_.recent.resize(kRecentKept);
    view_.current = std::move(generation);
    tried_.clear();
    unpublished_.clear();
    withdrawn_.clear();
    has_source_shown_ = false;
    touch(is_from_peer);
}

http::Async<void> Suite::withdraw()
{
    if (!view_.current || !archive_.is_withdrawn(view_.current->verified().signers()))
        co_return;
    archive_.publish_view(name_, {});  // at once; what is being adopted may take its time
    co_await turns_.take();
    drop_withdrawn();
    turns_.end();
}

void Suite::drop_withdrawn()
{
    if (!view_.current || !archive_.is_withdrawn(view_.current->verified().signers()))
        return;
    const std::vector<std::string>& signers = view_.current->verified().signers();
    withdrawn_ = fmt::format(
        "the release of {} was signed with a revoked key ({}): a release that counted keys signed "
        "takes its place, or aptward keys approve {} KEY brings it back",
        deb::format_release_date(view_.current->date()), fmt::join(signers, ", "),
        archive_.settings_.id);
    event("keys.revoked", "", withdrawn_, view_.current->id());
    view_ = {};
    archive_.publish_view(name_, view_);
}

// One compression of an index is remembered: the one that clients ask for now.
http::Async<void> Suite::note_used(std::string path)
{
    const std::string base(deb::without_compression(path));
    if (used_.insert(path).second)
        std::erase_if(used_, [&](const std::string& known) {
            return known != path && deb::without_compression(known) == base;
        });
    // Clients of two minds about the compression would fill the journal otherwise.
    if (!noted_.insert(path).second)
        co_return;
    auto job = [this, path] {
        return services_.state.note_used(archive_.settings_.id, name_, path);
    };
    const auto noted = co_await http::on_worker(services_.state_thread, std::move(job));
    if (!noted)
        event("store.failed", "", noted.error().message());
}

http::Async<void> Suite::adopt_index(std::string generation_id, std::string path)
{
    co_await note_used(path);
    if (!is_tabled(path))
        co_return;
    Turns& turns = turns_of(generation_id);
    auto step = [this, generation_id = std::move(generation_id), path = std::move(path)] {
        return adopt_index_in_turn(generation_id, path);
    };
    co_await in_turn(turns, std::move(step));
}

http::Async<void> Suite::adopt_index_in_turn(std::string generation_id, std::string path)
{
    const std::string base(deb::without_compression(path));
    const catalog::GenerationPtr generation = find_generation(generation_id);
    if (!generation || generation->tables().count(base) != 0)
        co_return;
    auto table = co_await table_of(*generation, path);
    if (table) {
        take_table(generation_id, base, *table);
    } else {
        if (table.error().code() == Errc::not_found)
            unpublished_.insert(generation_id + base);
        event("index.refused", "", path + ": " + table.error().message(), generation_id);
    }
}

}  // namespace aptward::archive
