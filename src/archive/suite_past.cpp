// SPDX-License-Identifier: GPL-3.0-or-later
// Generations from before: what was shown when the node stopped, and what was current at a moment.
#include <algorithm>

#include "archive/past.h"
#include "archive/rings.h"
#include "archive/suite.h"

namespace aptward::archive {

http::Async<void> Suite::restore(catalog::SuiteState state)
{
    floor_ = state.floor;
    timeline_ = std::move(state.timeline);
    from_hosts_ = std::move(state.from_hosts);
    // What was published while nothing had to be proven sets no limits to what is proven.
    if (archive_.settings_.verify == Verify::enforce && floor_.signers.empty()) {
        floor_ = trust::Floor();
        floor_.approved = state.floor.approved;
    }
    noted_.insert(state.used.begin(), state.used.end());
    for (auto path = state.used.rbegin(); path != state.used.rend(); ++path) {
        const bool is_other_form =
            std::any_of(used_.begin(), used_.end(), [&](const std::string& known) {
                return deb::without_compression(known) == deb::without_compression(*path);
            });
        if (!is_other_form)
            used_.insert(*path);
    }
    std::vector<catalog::GenerationPtr> generations;
    const std::size_t count = std::min(timeline_.size(), kRecentKept + 1);
    for (std::size_t back = 1; back <= count; ++back) {
        catalog::Published published = timeline_[timeline_.size() - back];
        const std::string id = published.release;
        // Recent generations serve what their tables still hold; only the current one is rebuilt.
        const Rebuild rebuild = back == 1 ? Rebuild::yes : Rebuild::no;
        auto generation = co_await recall(std::move(published), rebuild);
        if (generation)
            generations.push_back(*generation);
        else
            event("release.lost", "", id + ": " + generation.error().message(), id);
    }
    if (generations.empty())
        co_return;
    view_.current = generations.front();
    view_.recent.assign(generations.begin() + 1, generations.end());
    view_.checked_at = view_.current->accepted();
    verdict_ = {"release.restored", "accepted before the restart"};
    if (archive_.is_withdrawn(view_.current->verified().signers()))
        drop_withdrawn();
    else
        archive_.publish_view(name_, view_);
}

http::Task<catalog::GenerationPtr> Suite::recall(catalog::Published published, Rebuild rebuild)
{
    std::set<std::string> journalled;
    for (const catalog::Timeline* each : {&timeline_, &from_hosts_})
        for (const catalog::Published& one : *each)
            journalled.insert(one.release);
    auto load = [this, published, journalled] {
        return catalog::recall_generation(services_.releases, published.release, journalled,
                                          published.signers);
    };
    auto generation = co_await http::on_worker(services_.workers, std::move(load));
    if (!generation)
        co_return generation;
    const bool is_proven = !(*generation)->verified().signers().empty();
    if (!is_proven && archive_.settings_.verify == Verify::enforce)
        co_return fail(Errc::untrusted, "it was never proven, and now it has to be");
    for (const std::string& path : needed_indexes((*generation)->release())) {
        if (!catalog::is_tabled(path))
            continue;
        const deb::Release& release = (*generation)->release();
        const auto target = services_.tables / catalog::table_name(release, *release.find(path));
        auto open = [target] { return catalog::Table::open(target); };
        auto table = co_await http::on_worker(services_.workers, std::move(open));
        if (!table && rebuild == Rebuild::yes) {
            table = co_await table_of(**generation, path);
        }
        if (table)
            generation =
                (*generation)->with_table(std::string(deb::without_compression(path)), *table);
    }
    co_return generation;
}

http::Task<catalog::GenerationPtr> Suite::generation_at(SystemTime time, SystemTime known)
{
    const catalog::Published* found = catalog::find_at(timeline_, from_hosts_, time, known);
    if (found == nullptr)
        co_return nullptr;
    co_return co_await generation(*found);
}

http::Task<catalog::GenerationPtr> Suite::generation(catalog::Published published)
{
    if (archive_.is_withdrawn(published.signers))
        co_return fail(Errc::untrusted, "it was signed with a revoked key");
    if (auto at_hand = find_generation(published.release))
        co_return at_hand;
    co_return co_await recall(std::move(published), Rebuild::no);
}

catalog::GenerationPtr Suite::find_generation(const std::string& id) const
{
    if (view_.current && view_.current->id() == id)
        return view_.current;
    for (const catalog::GenerationPtr& recent : view_.recent)
        if (recent->id() == id)
            return recent;
    if (auto of_ring = archive_.rings_->find_generation(name_, id))
        return of_ring;
    return archive_.past_->find_generation(name_, id);
}

void Suite::take_table(const std::string& generation_id, const std::string& base,
                       std::shared_ptr<const catalog::Table> table)
{
    const catalog::GenerationPtr known = find_generation(generation_id);
    if (!known)
        return;
    const catalog::GenerationPtr generation = known->with_table(base, std::move(table));
    bool is_shown = false;
    const auto replace = [&](catalog::GenerationPtr& place) {
        if (!place || place->id() != generation_id)
            return;
        place = generation;
        is_shown = true;
    };
    replace(view_.current);
    for (catalog::GenerationPtr& recent : view_.recent)
        replace(recent);
    if (is_shown)
        archive_.publish_view(name_, view_);
    archive_.past_->replace(name_, generation);
    archive_.rings_->replace(name_, generation);
}

}  // namespace aptward::archive
