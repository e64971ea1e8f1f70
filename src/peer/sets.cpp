// SPDX-License-Identifier: GPL-3.0-or-later
// What this node and its peers hold, told and heard. What a peer says is a hint: it decides who is
// asked first, and who is not asked in vain.
#include <algorithm>

#include "archive/apt_cache.h"
#include "peer/flag.h"
#include "peer/peer.h"

namespace aptward::peer {
namespace {

constexpr std::chrono::milliseconds kUpdateEvery{1000};
// Of one that makes no sense, and of a peer that says much; guesses.
constexpr std::chrono::seconds kHeardAgain{60};
constexpr std::size_t kBytesPerSecond = 1 << 20;
// So that all of them fit one answer.
constexpr std::size_t kMostFiles = kMaxHaveBytes * 7;

}  // namespace

// Nobody wants to know: nobody asks for news, and nobody is asked.
bool Peers::is_told() const
{
    return was_asked_ || !peers_.load()->empty();
}

http::Async<void> Peers::update_sets()
{
    const Flag updating(is_updating_);
    next_update_ = steady_now() + kUpdateEvery;
    const auto routes = front_.routes();
    auto given = std::make_shared<std::map<std::string, GivenIndex>>();
    std::size_t files = 0;
    for (const auto& archive : routes->archives)
        for (const auto& [name, table] : archive->given_tables()) {
            const bool is_new = given->count(name) == 0;
            if (!is_new || given->size() == kMostSets || files + table->size() > kMostFiles)
                continue;
            files += table->size();
            given->emplace(name, GivenIndex{table, archive->settings().id});
        }
    auto job = [this, given] { return update_own_sets(*given); };
    const bool is_changed = co_await http::on_worker(services_.workers, std::move(job));
    if (!is_changed)
        co_return;
    waiting_.wake();
    const auto peers = peers_.load();
    for (const PeerPtr& peer : *peers)
        http::spawn(services_.control, "hearing what a peer holds", hear(peer));
}

// On a worker. What comes or goes while an index is read is looked at by the next update.
bool Peers::update_own_sets(const std::map<std::string, GivenIndex>& given)
{
    const auto is_given = [&](const std::string& index, const Digest& digest) {
        const auto found = given.find(index);
        const bool is_here = services_.blobs.find(digest).has_value() ||
                             (services_.apt_cache != nullptr && services_.apt_cache->has(digest));
        return found != given.end() && is_here &&
               services_.private_marks.may_give(digest, found->second.archive);
    };
    own_sets_->begin();
    const auto known =
        own_sets_->must_read_anew() ? std::make_shared<const Universes>() : own_sets_->universes();
    std::vector<std::string> names;
    std::map<std::string, OwnSets::Index> fresh;
    for (const auto& [name, index] : given) {
        names.push_back(name);
        if (known->count(name) > 0)
            continue;
        std::vector<Digest> files;
        auto universe = catalog::Universe::of(*index.table, &files);
        if (!universe)
            continue;  // it is built again, and has its turn then
        HaveSet set(files.size());
        for (std::size_t place = 0; place < files.size(); ++place)
            set.put(place, is_given(name, files[place]));
        fresh.emplace(name, OwnSets::Index{std::move(*universe), std::move(set)});
    }
    return own_sets_->update(names, std::move(fresh), is_given);
}

// Until as much is known as it last told of.
http::Async<void> Peers::hear(PeerPtr peer)
{
    if (peer->is_heard_out)
        co_return;
    peer->is_heard_out = true;
    const Flag hearing(peer->is_heard_out);
    while (is_followed_on(peer) && peer->told_have > 0 && steady_now() >= peer->hear_again) {
        const SteadyTime began = steady_now();
        const auto universes = own_sets_->universes();
        if (peer->heard_of != universes)  // sets of indexes that were not known before
            peer->heard_have = 0;
        peer->heard_of = universes;
        if (peer->heard_have >= peer->told_have)
            break;
        const std::uint64_t after = peer->heard_have;
        fetch::DocumentRequest request;
        request.source = peer->talk;
        request.path = path_of(AskedHave{after});
        request.limit_bytes = kMaxHaveBytes;
        request.is_optional = true;
        const auto document = co_await services_.fetcher.document(std::move(request));
        if (!document) {
            peer->hear_again = steady_now() + kUpdateEvery;
            break;
        }
        take_have(*peer, document->body, after, *universes);
        const auto pause =
            std::chrono::milliseconds(document->body.size() * 1000 / kBytesPerSecond);
        co_await http::sleep_until(began + std::max(pause, kUpdateEvery));
    }
}

void Peers::take_have(Peer& peer, std::string_view body, std::uint64_t after,
                      const Universes& universes)
{
    const auto count_of = [&](std::string_view index) -> std::optional<std::size_t> {
        const auto found = universes.find(index);
        return found == universes.end() ? std::nullopt : std::optional(found->second->count());
    };
    auto news = read_have(body, after, *peer.sets.load(), count_of);
    if (news && news->run != peer.told_run)
        return;  // it has begun anew: its next note says so
    if (news) {
        peer.sets = std::make_shared<const HaveSets>(std::move(news->sets));
        peer.heard_have = news->to;
        return;
    }
    peer.sets = std::make_shared<const HaveSets>();
    peer.heard_have = 0;
    if (after != 0)
        return;
    peer.hear_again = steady_now() + kHeardAgain;  // from its beginning it makes no sense
    tell(peer, "peer.malformed",
         "what it says it holds is not looked at for a minute: " + news.error().message());
}

// What the peers say of this file.
Peers::Says Peers::what_says(const Peer& peer, const Places& places)
{
    const auto sets = peer.sets.load();
    Says says = Says::nothing;
    for (const auto& [index, place] : places) {
        const auto set = sets->find(index);
        if (set == sets->end())
            continue;
        if (set->second->has(place))
            return Says::has_it;
        says = Says::lacks_it;
    }
    return says;
}

Peers::Places Peers::places_of(const Digest& digest) const
{
    Places places;
    const auto universes = own_sets_->universes();
    for (const auto& [index, universe] : *universes)
        if (const auto place = universe->place_of(digest))
            places.emplace_back(index, *place);
    return places;
}

}  // namespace aptward::peer
