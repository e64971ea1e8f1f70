// SPDX-License-Identifier: GPL-3.0-or-later
// The neighbours that are configured, looked at from time to time.
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "base/log.h"
#include "crypto/crypto.h"
#include "peer/delegates.h"
#include "peer/flag.h"
#include "peer/peer.h"

namespace aptward::peer {
namespace {

constexpr std::chrono::milliseconds kLookAgain{250};
constexpr std::chrono::milliseconds kNodeLimit{5000};
// A peer that says nothing for longer is not counted on: it answers every 25 s at least.
constexpr std::chrono::milliseconds kHeardOf{35'000};
// What is nearer is on this side of the line to the internet; guess.
constexpr std::chrono::milliseconds kNear{5};

bool is_another(const Link& before, const Link& now)
{
    return before.key && now.key && before.key != now.key;
}

fetch::SourceSettings source_settings(const PeerSettings& peer)
{
    fetch::SourceSettings settings;
    settings.kind = fetch::SourceSettings::Kind::peer;
    settings.url = peer.url;
    settings.ca = peer.ca;
    settings.may_be_private = peer.may_be_private;
    return settings;
}

std::chrono::milliseconds clock_now()
{
    return std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now().time_since_epoch());
}

}  // namespace

Peers::Peer::Peer(PeerSettings from, Origin whence, Found found_as)
    : settings(std::move(from)),
      origin(whence),
      found(std::move(found_as)),
      source(std::make_shared<fetch::Source>(source_settings(settings))),
      talk(std::make_shared<fetch::Source>(source_settings(settings)))
{
}

bool Peers::Peer::may_be_asked() const
{
    const State state = link.load()->state;
    return is_asked(state) && (!is_stranger(origin) || state != State::untried);
}

bool Peers::Peer::is_near() const
{
    return settings.distance == Distance::near ||
           (settings.distance == Distance::measured && link.load()->is_near);
}

bool Peers::Peer::is_there(SteadyTime now) const
{
    return is_near() && now - heard.load() <= kHeardOf;
}

Peers::Peers(archive::Services& services, archive::Front& front, swarm::Process& swarm,
             std::optional<tlog::SignerKey> identity, Settings settings, ReadPeer read_peer,
             const std::map<std::string, catalog::PeerOrder>& ordered,
             std::filesystem::path torrents)
    : services_(services),
      front_(front),
      swarm_(swarm),
      identity_(std::move(identity)),
      run_(crypto::random_hex(8)),
      read_peer_(std::move(read_peer)),
      peers_(std::make_shared<const List>()),
      torrents_(std::move(torrents)),
      own_sets_(std::make_shared<OwnSets>(run_)),
      dht_(identity_, std::random_device()())
{
    for (const std::string& name : torrents_.load())
        log_warning("swarm.damaged", {},
                    name + " in the folder of torrents is none: not published");
    services_.blobs.watch([sets = own_sets_](const Digest& digest) { sets->note(digest); });
    swarm_.listen([inbox = inbox_](const swarm::Word& word) { inbox->add(word); });
    if (identity_)
        own_heads_.emplace(*identity_, run_);
    for (const auto& [url, order] : ordered)
        if (auto peer = read_peer_(url, order.identity))
            ordered_.push_back(std::move(*peer));
    use(std::move(settings));
}

void Peers::use(Settings settings)
{
    may_ask_ = settings.may_ask;
    discover_ = settings.discover;
    budgets_.use(settings.rate_bytes_per_s);
    quiet_ = std::make_shared<const std::vector<QuietHours>>(std::move(settings.quiet));
    for (const PeerSettings& peer : settings.peers)
        if (peer.url.empty() && peer.identity)
            settings.dht.followed.push_back(*peer.identity);
    if (settings.dht != *dht_settings_.load())
        dht_settings_ = std::make_shared<const DhtSettings>(std::move(settings.dht));
    {
        const std::lock_guard lock(composing_);
        configured_ = std::move(settings.peers);
        compose();
        discover();
    }
    must_try_again_ = true;
    must_find_again_ = true;
    note_changed();
}

// Under the lock. The configuration's word on a URL comes before an order, and that before what was
// found.
void Peers::compose()
{
    const auto before = peers_.load();
    auto list = std::make_shared<List>();
    const auto add = [&](const PeerSettings& one, Origin origin, const Found& found = {}) {
        const bool is_there = std::any_of(list->begin(), list->end(), [&](const PeerPtr& peer) {
            return peer->settings.url == one.url;
        });
        if (is_there || (list->size() >= kMostPeers && !is_stranger(origin)))
            return;
        const auto known = std::find_if(before->begin(), before->end(), [&](const PeerPtr& peer) {
            return peer->settings == one && peer->origin == origin && peer->found == found;
        });
        list->push_back(known != before->end() ? *known
                                               : std::make_shared<Peer>(one, origin, found));
    };
    for (const PeerSettings& one : configured_) {
        const auto pointed_at = one.identity && one.url.empty()
                                    ? pointed_at_.find(one.identity->to_string())
                                    : pointed_at_.end();
        if (!one.url.empty()) {
            add(one, Origin::configuration);
        } else if (pointed_at != pointed_at_.end()) {
            PeerSettings there = one;
            there.url = pointed_at->second;
            add(there, Origin::configuration, {there.url, "", "the DHT"});
        }
    }
    for (const PeerSettings& one : ordered_)
        add(one, Origin::order);
    for (const Found& one : found_)
        add({one.url, std::nullopt, "", Distance::near}, Origin::found, one);
    const bool may_be_private = dht_settings_.load()->net == swarm::Net::closed;
    for (const Found& one : found_far_)
        add({one.url, std::nullopt, "", Distance::far, may_be_private}, Origin::dht, one);
    peers_ = std::move(list);
}

std::vector<fetch::SourcePtr> Peers::sources() const
{
    std::vector<fetch::SourcePtr> sources;
    const auto peers = peers_.load();
    for (const PeerPtr& peer : *peers)
        if (!is_stranger(peer->origin))
            sources.push_back(peer->source);
    return sources;
}

std::string Peers::identity() const
{
    return identity_ ? identity_->verifier().to_string() : std::string();
}

void Peers::add(fetch::Want& want, const AskedFile& asked) const
{
    if (!identity_)
        return;
    using Turn = fetch::Want::Elsewhere::Turn;
    const auto peers = peers_.load();
    const std::string path = path_of(asked);
    const SteadyTime now = steady_now();
    const auto delegates = delegates_of(*peers, asked);
    const Places places = asked.kind == AskedFile::Kind::pool ? places_of(asked.digest) : Places();
    for (const PeerPtr& peer : *peers) {
        const Says says = what_says(*peer, places);
        const bool is_asked_anyway = !delegates.empty() && delegates.front() == peer->source;
        // Who may be anybody, anywhere, hears of a package only when he says that he has it.
        const bool is_told_too_much = peer->origin == Origin::dht && says != Says::has_it &&
                                      asked.kind == AskedFile::Kind::pool;
        if (!peer->may_be_asked() || (is_asked_anyway && says != Says::has_it) || is_told_too_much)
            continue;
        const bool is_last =
            says == Says::lacks_it || (peer->origin == Origin::dht && says != Says::has_it);
        const Turn turn = is_last ? Turn::last : peer->is_there(now) ? Turn::first : Turn::ranked;
        want.elsewhere.push_back({peer->source, {path}, turn, says == Says::has_it});
    }
    for (const fetch::SourcePtr& source : delegates)
        want.elsewhere.push_back({source, {path}, Turn::delegate});
}

// Which of the near nodes that are there fetch this rather than this one. Of indexes the first
// alone: where it does not know the release yet, the others hardly do.
std::vector<fetch::SourcePtr> Peers::delegates_of(const List& peers, const AskedFile& asked) const
{
    const SteadyTime now = steady_now();
    std::vector<std::string> keys;
    std::vector<fetch::SourcePtr> sources;
    for (const PeerPtr& peer : peers) {
        const auto link = peer->link.load();
        if (link->state != State::linked || !peer->is_there(now) ||
            !peer->source->may_be_counted_on(now))
            continue;
        keys.push_back(link->key->to_string());
        sources.push_back(peer->source);
    }
    const auto places = delegates_for(asked.digest, identity(), keys);
    std::vector<fetch::SourcePtr> delegates;
    for (const std::size_t place : places)
        delegates.push_back(sources[place]);
    if (asked.kind == AskedFile::Kind::index && delegates.size() > 1)
        delegates.resize(1);
    return delegates;
}

bool Peers::has_any() const
{
    const auto peers = peers_.load();
    return std::any_of(peers->begin(), peers->end(),
                       [](const PeerPtr& peer) { return peer->may_be_asked(); });
}

void Peers::add_index(fetch::Want& want, std::string_view path) const
{
    add(want, {AskedFile::Kind::index, want.digest, std::string(path)});
}

void Peers::add_pool(fetch::Want& want, std::string_view path) const
{
    add(want, {AskedFile::Kind::pool, want.digest, std::string(path)});
}

http::Async<void> Peers::keep()
{
    while (!is_stopping_) {
        try {
            look_around();
            meet();
            const auto peers = peers_.load();
            for (const PeerPtr& peer : *peers)
                begin_with(peer);
            if (identity_ && is_told() && !is_updating_ && next_update_ <= steady_now()) {
                is_updating_ = true;
                http::spawn(services_.control, "looking at what is held", update_sets());
            }
        } catch (const std::exception& error) {  // exhausted memory (R11): a moment later
            log_warning("peer.failed", {}, error.what());
        }
        co_await http::sleep_until(steady_now() + kLookAgain);
    }
}

void Peers::begin_with(const PeerPtr& peer)
{
    if (!identity_)
        return;
    if (!peer->is_looked_at && peer->next_look <= steady_now()) {
        peer->is_looked_at = true;
        http::spawn(services_.control, "looking at a peer", look_at(peer));
    }
    if (peer->heard_have < peer->told_have && !peer->is_heard_out &&
        peer->hear_again <= steady_now())
        http::spawn(services_.control, "hearing what a peer holds", hear(peer));
    const State state = peer->link.load()->state;
    const bool is_node = state == State::linked || state == State::duplicate;
    if (is_node && !peer->is_followed && peer->follow_again <= steady_now()) {
        peer->is_followed = true;
        http::spawn(services_.control, "following a peer", follow(peer));
    }
}

http::Async<void> Peers::look_at_all()
{
    const auto peers = peers_.load();
    for (const PeerPtr& peer : *peers)
        peer->next_look = SteadyTime{};
    const auto is_over = [&peers] {
        return std::all_of(peers->begin(), peers->end(), [](const PeerPtr& peer) {
            return !peer->is_looked_at && peer->next_look != SteadyTime{};
        });
    };
    const SteadyTime deadline = steady_now() + kNodeLimit + kLookAgain * 2;
    while (identity_ && !is_over() && steady_now() < deadline) {
        co_await http::sleep_until(steady_now() + kLookAgain / 5);
    }
}

http::Async<void> Peers::look_at(PeerPtr peer)
{
    const Flag looking(peer->is_looked_at);
    auto now = co_await ask(peer);
    const auto before = peer->link.load();
    if (now.state == State::unreachable) {
        now.failures = before->failures + 1;
        now.key = before->key;
        now.program = before->program;
    } else if (now.state == State::no_node) {
        now.key = before->key;
    } else if (is_stranger(peer->origin) && is_another(*before, now)) {
        now.state = State::no_node;  // else it could choose by its key what is left to it
        now.why = "it shows another key than before";
        now.key = before->key;
    } else if (now.state == State::linked && is_second(*peer, now)) {
        now.state = State::duplicate;
        now.why = "another peer's URL leads to a node with the same key";
    }
    now.is_near = before->is_near || (is_asked(now.state) && now.round_trip < kNear);
    if (is_asked(now.state))
        peer->heard = steady_now();
    now.since = now.state == before->state ? before->since : system_now();
    note(*peer, *before, now);
    const auto pause = pause_after(now);
    const bool is_node = is_asked(now.state);
    peer->link = std::make_shared<const Link>(std::move(now));
    tell_of_own_clock();
    peer->next_look = steady_now() + pause;
    if (is_node)
        http::spawn(services_.control, "looking at a peer's releases", consider(peer));
}

http::Async<Link> Peers::ask(PeerPtr peer)
{
    const AskedNode asked{crypto::random_hex(16)};
    fetch::DocumentRequest request;
    request.source = peer->talk;
    request.path = path_of(asked);
    request.limit_bytes = kMaxNodeBytes;
    request.time_limit = kNodeLimit;
    request.is_optional = true;
    const SteadyTime began = steady_now();
    const auto document = co_await services_.fetcher.document(std::move(request));
    Link link;
    if (!document) {
        const bool is_somebody = document.error().code() != Errc::unavailable;
        link.state = is_somebody ? State::no_node : State::unreachable;
        link.why = is_somebody
                       ? "no Aptward node answers there, or one that does not know peers: " +
                             document.error().message()
                       : document.error().message();
        co_return link;
    }
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(steady_now() - began);
    const auto node = read_node(document->body, asked.nonce);
    if (!node) {
        link.state = State::no_node;
        link.why = node.error().message();
        co_return link;
    }
    link = judge(*node, {identity_->verifier(), run_}, peer->settings.identity);
    link.round_trip = took;
    link.clock_ahead = node->time - (clock_now() - took / 2);
    co_return link;
}

// Only told: whoever answers at another URL with this one's key may have passed the question on.
bool Peers::is_second(const Peer& peer, const Link& link) const
{
    if (peer.settings.identity)
        return false;
    if (is_stranger(peer.origin) && is_known_otherwise(peer.origin, link))
        return true;
    const auto peers = peers_.load();
    for (const PeerPtr& other : *peers) {
        if (other.get() == &peer)
            return false;
        const auto known = other->link.load();
        if (known->state == State::linked && known->key == link.key)
            return true;
    }
    return false;
}

void Peers::tell(const Peer& peer, std::string code, std::string message,
                 std::string evidence) const
{
    catalog::Event event;
    event.evidence = std::move(evidence);
    event.code = std::move(code);
    event.source = peer.settings.url;
    event.message = std::move(message);
    services_.events.add(std::move(event));
}

void Peers::note(const Peer& peer, const Link& before, const Link& now) const
{
    const bool was_node = before.key.has_value();
    const bool is_new = is_stranger(peer.origin) && !was_node;
    if (is_new && now.state == State::linked && peer.origin == Origin::dht)
        return tell(peer, "peer.found",
                    fmt::format("it is found in the DHT: it is {}", now.key->to_string()));
    if (is_new && now.state == State::linked)
        return tell(peer, "peer.found",
                    fmt::format("it announces itself on {} as \"{}\": it is {}",
                                peer.found.interface, peer.found.name, now.key->to_string()));
    // What strangers announce there is no news before it is a node, and none when it is this one.
    if (is_new && now.state != State::cloned && now.state != State::incompatible)
        return;
    if (now.state != before.state)
        tell(peer, fmt::format("peer.{}", to_string(now.state)),
             now.state == State::linked ? "it is " + now.key->to_string() : now.why);
    else if (now.state == State::linked && now.key != before.key)
        tell(peer, "peer.identity-changed",
             fmt::format("it was {} and is {} now; an identity in its "
                         "[[peer]] allows one only",
                         before.key->to_string(), now.key->to_string()));
    const auto is_off = [](const Link& link) {
        return link.state == State::linked &&
               std::chrono::abs(link.clock_ahead) > kMostClockDifference;
    };
    if (is_off(now) && !is_off(before))
        tell(peer, "peer.clock",
             fmt::format("its clock is {} s {} of this node's: one of the two is wrong",
                         std::chrono::abs(now.clock_ahead).count() / 1000,
                         now.clock_ahead.count() > 0 ? "ahead" : "behind"));
}

// One peer may be wrong; where several nodes agree with each other, it is this one (A24). It is
// only told: what the time is for a release, no peer decides. Whoever announces himself has no say.
void Peers::tell_of_own_clock()
{
    const auto peers = peers_.load();
    std::vector<std::chrono::milliseconds> ahead;
    for (const PeerPtr& peer : *peers)
        if (const auto link = peer->link.load();
            link->state == State::linked && !is_stranger(peer->origin))
            ahead.push_back(link->clock_ahead);
    const auto wrong = own_clock_error(std::move(ahead));
    if (wrong.count() != 0 && !is_clock_told_) {
        catalog::Event event;
        event.code = "node.clock";
        event.message = fmt::format(
            "this node's clock is {} s {}: the other nodes agree with each other",
            std::chrono::abs(wrong).count() / 1000, wrong.count() > 0 ? "behind" : "ahead");
        services_.events.add(std::move(event));
    }
    is_clock_told_ = wrong.count() != 0;
}

http::Async<std::vector<PeerReport>> Peers::report()
{
    const auto peers = peers_.load();
    std::vector<fetch::SourcePtr> asked;
    for (const PeerPtr& peer : *peers)
        asked.push_back(peer->source);
    const auto reports = co_await services_.fetcher.report(std::move(asked));
    std::vector<PeerReport> found;
    for (const PeerPtr& peer : *peers) {
        PeerReport one{peer->settings.url,
                       peer->heads.load()->size(),
                       peer->is_near(),
                       peer->origin,
                       peer->found,
                       *peer->link.load(),
                       {}};
        one.torrents = *peer->torrents.load();
        one.ignored_until = system_time_of(peer->ignored_until, steady_now());
        for (const fetch::SourceReport& source : reports)
            if (source.url == one.url)
                one.source = source;
        found.push_back(std::move(one));
    }
    co_return found;
}

}  // namespace aptward::peer
