// SPDX-License-Identifier: GPL-3.0-or-later
// Nodes that meet in the DHT: what this one says there and hears, by the process that speaks for
// it. Control loop, but where it says otherwise.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "peer/own_places.h"
#include "peer/peer.h"

namespace aptward::peer {
namespace {

constexpr std::chrono::seconds kMeetEvery{1};
constexpr std::chrono::seconds kLookAtPlaces{60};
constexpr std::chrono::seconds kAloneAfter{60};
constexpr unsigned kFailuresOfAPlace = 2;
constexpr std::chrono::minutes kRestOfPlaces{1};  // twice as long each time, half an hour at most
constexpr const char* kPointerFact = "peer.pointer ";  // and the identity

std::uint64_t wall_ms()
{
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                          std::chrono::system_clock::now().time_since_epoch())
                                          .count());
}

}  // namespace

// On the process's thread.
void Inbox::add(const swarm::Word& word)
{
    const bool is_wanted = std::get_if<swarm::Alive>(&word) == nullptr &&
                           std::get_if<swarm::Trouble>(&word) == nullptr;
    const std::lock_guard lock(mutex_);
    if (std::get_if<swarm::Ready>(&word) != nullptr)
        words_.clear();  // they are of another process
    if (is_wanted && words_.size() < kMostWords)
        words_.push_back(word);
}

std::vector<swarm::Word> Inbox::take()
{
    const std::lock_guard lock(mutex_);
    return std::exchange(words_, {});
}

void Peers::meet()
{
    const auto settings = dht_settings_.load();
    if (next_meeting_ > steady_now() && settings == met_with_)
        return;
    next_meeting_ = steady_now() + kMeetEvery;
    if (std::exchange(met_with_, settings) != settings)
        begin_to_meet(*settings);
    hear_of_others();
    if (settings->net)
        tell_others(*settings);
    take_up_far(*settings);
    tell_of_swarm(dht_report_.load()->is_alone);
}

// What is known of those that are followed still, stays.
void Peers::begin_to_meet(const DhtSettings& settings)
{
    dht_.use(settings.net.value_or(swarm::Net::internet));
    dht_.follow(settings.followed);
    next_places_ = SteadyTime{};
    for (const tlog::VerifierKey& key : settings.followed) {
        const std::string fact = kPointerFact + key.to_string();
        services_.state_thread.post([state = &services_.state, inbox = remembered_, fact] {
            const auto known = state->fact(fact);
            if (auto word = swarm::parse_word(known.value_or("")))
                inbox->add(*word);
        });
    }
}

// What was remembered is read as if it was heard: nobody believes this node's own disk more.
void Peers::hear_of_others()
{
    bool has_news = false;
    const SteadyTime now = steady_now();
    for (const swarm::Word& word : remembered_->take())
        if (const auto* item = std::get_if<swarm::Item>(&word))
            has_news = dht_.take(*item, now, SystemTime{}).has_value() || has_news;
    for (const swarm::Word& word : inbox_->take()) {
        if (std::get_if<swarm::Ready>(&word) != nullptr)
            dht_.begin(now);
        else if (const auto* peers = std::get_if<swarm::Peers>(&word))
            dht_.take(*peers, now);
        else if (const auto* stored = std::get_if<swarm::Stored>(&word))
            dht_.take(*stored, now);
        else if (const auto* item = std::get_if<swarm::Item>(&word)) {
            const auto news = dht_.take(*item, now, system_now());
            has_news = news.has_value() || has_news;
            if (news)
                remember(*news);
        }
    }
    const bool has_moved = try_other_places();
    if (has_news || has_moved)
        use_pointers();
}

void Peers::remember(const swarm::Item& item)
{
    for (const Dht::Followed& one : dht_.followed()) {
        if (one.key.public_key() != item.owner)
            continue;
        services_.state_thread.post([state = &services_.state,
                                     fact = kPointerFact + one.key.to_string(),
                                     text = to_string(swarm::Word(item))] {
            if (const auto kept = state->put_fact(fact, text); !kept)
                log_warning("state.failed", {}, kept.error().message());
        });
    }
}

// Of a node with several addresses the next one, where one does not lead to it. Once all were
// tried, slower each time: it may be away for long, and its addresses may be somebody else's (A19).
bool Peers::try_other_places()
{
    std::map<std::string, std::size_t> places;
    for (const Dht::Followed& one : dht_.followed())
        places[one.key.to_string()] = one.pointer.places.size();
    bool has_moved = false;
    const SteadyTime now = steady_now();
    const auto peers = peers_.load();
    for (const PeerPtr& peer : *peers) {
        if (!peer->is_pointed_at())
            continue;
        const auto link = peer->link.load();
        const std::string identity = peer->settings.identity->to_string();
        const std::size_t count = places[identity];
        Tried& tried = places_tried_[identity];
        if (link->state == State::linked)
            tried.moves = 0;
        const bool is_wrong = link->failures >= kFailuresOfAPlace ||
                              link->state == State::no_node || link->state == State::mismatch;
        if (count < 2 || !is_wrong || now < tried.may_move)
            continue;
        ++tried.place;
        ++tried.moves;
        const auto rounds = static_cast<unsigned>(std::min<std::size_t>(tried.moves / count, 6));
        if (tried.moves % count == 0)
            tried.may_move = now + kRestOfPlaces * (1U << (rounds - 1));
        has_moved = true;
    }
    return has_moved;
}

void Peers::use_pointers()
{
    std::map<std::string, std::string> pointed_at;
    for (const Dht::Followed& one : dht_.followed()) {
        std::vector<std::string> urls;
        for (const swarm::Place& place : one.pointer.places)
            if (const auto url = url_of(place, met_with_->net.value_or(swarm::Net::internet)))
                urls.push_back(*url);
        if (!urls.empty())
            pointed_at[one.key.to_string()] =
                urls[places_tried_[one.key.to_string()].place % urls.size()];
    }
    const std::lock_guard lock(composing_);
    pointed_at_ = std::move(pointed_at);
    compose();
}

// Those that a pointer names and an archive of this node would take.
std::vector<Head> Peers::sought() const
{
    std::vector<Head> sought;
    const auto routes = front_.routes();
    for (const Dht::Followed& one : dht_.followed())
        for (const Head& head : one.pointer.heads) {
            const bool is_wanted = std::any_of(
                routes->archives.begin(), routes->archives.end(), [&](const auto& archive) {
                    return archive->wants_shown(head.suite, head.id, head.date);
                });
            if (is_wanted)
                sought.push_back(head);
        }
    return sought;
}

void Peers::tell_others(const DhtSettings& settings)
{
    const auto process = swarm_.report();
    if (process.state != swarm::Process::State::working || !identity_)
        return;
    std::uint16_t port = 0;
    {
        const std::lock_guard lock(composing_);
        port = reachable_.port;
    }
    if (!settings.places.empty())
        port = settings.places.front().port;
    if (next_places_ <= steady_now()) {
        next_places_ = steady_now() + kLookAtPlaces;
        places_ = settings.places.empty() ? own_places(*settings.net, port, process.address)
                                          : settings.places;
    }
    Dht::Wishes wishes;
    wishes.own = heads_of(front_.routes()->archives);
    wishes.sought = sought();
    wishes.places = places_;
    wishes.port = port;
    // Who answers on local networks alone is of no use elsewhere.
    wishes.is_told = may_ask_ == MayAsk::clients ||
                     (may_ask_ == MayAsk::local && *settings.net == swarm::Net::closed);
    wishes.wall_ms = wall_ms();
    for (const swarm::Order& order : dht_.due(wishes, steady_now()))
        swarm_.say(order);
}

void Peers::take_up_far(const DhtSettings& settings)
{
    const bool is_on = settings.net.has_value() && identity_.has_value();
    const auto candidates = dht_.candidates(steady_now());
    const bool is_changed =
        is_on ? finding_far_.update_from(candidates, looks_at_found(), steady_now())
              : finding_far_.clear();
    auto report = std::make_shared<DhtReport>();
    report->is_on = settings.net.has_value();
    report->is_alone = is_alone(settings);
    report->keys = dht_.keys();
    report->addresses = candidates.size();
    report->pointer_kept_by = dht_.kept_by();
    report->followed = dht_.followed();
    dht_report_ = std::move(report);
    if (!is_changed)
        return;
    const auto before = peers_.load();
    {
        const std::lock_guard lock(composing_);
        found_far_ = finding_far_.peers();
        compose();
    }
    tell_of_gone(*before);
}

// Where there is somebody to begin with.
bool Peers::is_alone(const DhtSettings& settings) const
{
    const auto process = swarm_.report();
    return settings.has_bootstrap && process.state == swarm::Process::State::working &&
           process.nodes == 0 && system_now() - process.since >= kAloneAfter;
}

// Once, until it knows some again.
void Peers::tell_of_swarm(bool is_alone)
{
    if (swarm_.report().nodes > 0)
        is_alone_told_ = false;
    if (!is_alone || std::exchange(is_alone_told_, true))
        return;
    catalog::Event event;
    event.code = "swarm.alone";
    event.message =
        "no node of the DHT answers: no other nodes are found there; it is tried again by itself. "
        "Look whether UDP leaves this network, and whether a node of bootstrap runs";
    services_.events.add(std::move(event));
}

}  // namespace aptward::peer
