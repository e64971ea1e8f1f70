// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/own_sets.h"

#include <algorithm>
#include <set>
#include <utility>

namespace aptward::peer {
namespace {

constexpr std::size_t kMostChanges = 4096;  // of an index, that are remembered; guess
constexpr std::size_t kMostGone = kMostSets;
constexpr std::size_t kMostNoted = 1 << 16;  // between two updates; guess

}  // namespace

void OwnSets::note(const Digest& digest)
{
    if (!has_begun_)
        return;
    const std::lock_guard lock(noted_mutex_);
    if (noted_.size() < kMostNoted)
        noted_.push_back(digest);
    else
        has_overflowed_ = true;
}

bool OwnSets::update(const std::vector<std::string>& names, std::map<std::string, Index> fresh,
                     const IsGiven& is_given)
{
    std::vector<Digest> noted;
    {
        const std::lock_guard lock(noted_mutex_);
        noted.swap(noted_);
    }
    const std::uint64_t next = number_.load() + 1;
    std::unique_lock lock(mutex_);
    bool is_changed = !fresh.empty();
    for (auto it = sets_.begin(); it != sets_.end();) {
        if (std::find(names.begin(), names.end(), it->first) != names.end()) {
            ++it;
            continue;
        }
        gone_.emplace_back(next, it->first);
        it = sets_.erase(it);
        is_changed = true;
    }
    for (auto& [name, index] : fresh)
        sets_.insert_or_assign(name, Own{std::move(index), next, {}, 0});
    while (gone_.size() > kMostGone)
        gone_.pop_front();
    if (is_changed) {  // so far: other indexes
        auto universes = std::make_shared<Universes>();
        for (const auto& [name, own] : sets_)
            universes->emplace(name, own.index.universe);
        universes_ = std::move(universes);
    }
    lock.unlock();  // the disk may be slow, and nobody else changes the sets
    const auto turned = look_at(noted, is_given);
    lock.lock();
    for (const Turned& one : turned)
        turn(one, next);
    is_changed = is_changed || !turned.empty();
    if (is_changed)
        number_ = next;
    return is_changed;
}

std::vector<OwnSets::Turned> OwnSets::look_at(const std::vector<Digest>& noted,
                                              const IsGiven& is_given)
{
    const std::set<Digest> distinct(noted.begin(), noted.end());
    std::vector<Turned> turned;
    for (auto& [name, own] : sets_) {
        std::set<std::size_t> seen;  // of one digest noted with and without its size
        for (const Digest& digest : distinct)
            if (const auto place = own.index.universe->place_of(digest);
                place && seen.insert(*place).second &&
                own.index.set.has(*place) != is_given(name, digest))
                turned.push_back({&own, static_cast<std::uint32_t>(*place)});
    }
    return turned;
}

void OwnSets::turn(const Turned& turned, std::uint64_t number)
{
    Own& own = *turned.own;
    own.index.set.put(turned.place, !own.index.set.has(turned.place));
    own.changes.push_back({number, turned.place});
    if (own.changes.size() > kMostChanges) {
        own.forgotten = own.changes.front().number;
        own.changes.pop_front();
    }
}

// A place that changed several times is told as it is now.
Changes OwnSets::changes_after(const Own& own, std::uint64_t number)
{
    std::set<std::uint32_t> places;
    for (auto it = own.changes.rbegin(); it != own.changes.rend() && it->number > number; ++it)
        places.insert(it->place);
    Changes changes;
    for (const std::uint32_t place : places)
        (own.index.set.has(place) ? changes.added : changes.removed).push_back(place);
    return changes;
}

std::string OwnSets::text_after(std::uint64_t number) const
{
    const std::lock_guard lock(mutex_);
    const std::uint64_t to = number_.load();
    const bool is_anew = number > to || (gone_.size() == kMostGone && gone_.front().first > number);
    const std::uint64_t from = is_anew ? 0 : number;
    HaveText text(run_, from, to);
    for (const auto& [when, name] : gone_)
        if (from > 0 && when > from && sets_.count(name) == 0)
            text.add_gone(name);
    for (const auto& [name, own] : sets_) {
        if (own.since > from || own.forgotten > from) {
            text.add_whole(name, own.index.set);
            continue;
        }
        const Changes changes = changes_after(own, from);
        const std::size_t count = changes.added.size() + changes.removed.size();
        if (count > own.index.set.count() / 8)  // a bit for each file is shorter
            text.add_whole(name, own.index.set);
        else if (count > 0)
            text.add_changes(name, own.index.set.count(), changes);
    }
    return std::move(text).finish();
}

}  // namespace aptward::peer
