// SPDX-License-Identifier: GPL-3.0-or-later
// Peers that nobody named: they announce themselves on the local network. Control loop, but where
// it says otherwise.
#include <fmt/format.h>

#include <algorithm>

#include "peer/peer.h"

namespace aptward::peer {

std::string_view to_string(Origin origin)
{
    switch (origin) {
        case Origin::configuration:
            return "configuration";
        case Origin::order:
            return "order";
        case Origin::found:
            return "found";
        case Origin::dht:
            return "dht";
    }
    return "";
}

// Any thread.
void Peers::announce(const Reachable& reachable)
{
    const std::lock_guard lock(composing_);
    reachable_ = reachable;
    discover();
}

// Any thread, under the lock.
void Peers::discover()
{
    Announcement announcement{reachable_.port, reachable_.is_on_v4, reachable_.is_on_v6, ""};
    announcement.is_proxy = may_ask_ != MayAsk::local;
    if (identity_ && may_ask_ != MayAsk::nobody)
        announcement.key_id = fmt::format("{:08x}", identity_->verifier().key_id());
    discovery_->use(discover_ == Discover::local, announcement);
}

// A node that is named by one URL and announces itself at another one is one peer, as is one that
// was found here and there.
bool Peers::is_known_otherwise(Origin origin, const Link& link) const
{
    const auto peers = peers_.load();
    return link.key && std::any_of(peers->begin(), peers->end(), [&](const PeerPtr& peer) {
               const auto known = peer->link.load();
               return peer->origin < origin && known->state == State::linked &&
                      known->key == link.key;
           });
}

FoundPeers::Looks Peers::looks_at_found() const
{
    FoundPeers::Looks looks;
    const auto peers = peers_.load();
    for (const PeerPtr& peer : *peers) {
        const auto link = peer->link.load();
        const auto is_it = [&](const Found& one) { return one.url == peer->settings.url; };
        if (is_stranger(peer->origin))
            looks[peer->settings.url] = {link->state, link->failures,
                                         is_known_otherwise(peer->origin, *link)};
        else if (std::any_of(found_.begin(), found_.end(), is_it) ||
                 std::any_of(found_far_.begin(), found_far_.end(), is_it))
            looks[peer->settings.url] = {link->state, 0, true};
    }
    return looks;
}

void Peers::look_around()
{
    tell_of_discovery();
    if (must_find_again_.exchange(false)) {
        finding_.forget_quiet();
        finding_far_.forget_quiet();
    }
    const bool is_on = discover_ == Discover::local && identity_.has_value();
    const auto services = discovery_->services();
    if (finding_.peers().empty() && (!is_on || services->empty()))
        return;
    const bool is_changed =
        is_on ? finding_.update(*services, looks_at_found(), steady_now()) : finding_.clear();
    if (!is_changed)
        return;
    const auto before = peers_.load();
    {
        const std::lock_guard lock(composing_);
        found_ = finding_.peers();
        compose();
    }
    tell_of_gone(*before);
}

// Those that were nodes, and are no peers by another name.
void Peers::tell_of_gone(const List& before) const
{
    const auto now = peers_.load();
    for (const PeerPtr& peer : before) {
        const auto link = peer->link.load();
        const bool is_lost = is_stranger(peer->origin) && link->key &&
                             (link->state == State::unreachable || link->state == State::no_node);
        if (is_lost && std::find(now->begin(), now->end(), peer) == now->end())
            tell(*peer, "peer.gone", "it is asked no more: " + link->why);
    }
}

// Only what changed since it worked: a machine without the daemon is no news at each start.
void Peers::tell_of_discovery()
{
    using Discovering = Discovery::State;
    const Discovering now = discovery_->report().state;
    const bool was_told_lost = told_discovery_ == Discovering::absent;
    catalog::Event event;
    if (now == Discovering::absent && told_discovery_ == Discovering::working) {
        event.code = "discovery.lost";
        event.message =
            "the machine's avahi-daemon does not answer: no new nodes are found, those that are "
            "known are asked as before; it is asked again by itself";
        told_discovery_ = now;
    } else if (now == Discovering::working) {
        if (was_told_lost) {
            event.code = "discovery.back";
            event.message = "the machine's avahi-daemon answers again";
        }
        told_discovery_ = now;
    } else if (now == Discovering::off) {
        told_discovery_ = now;
    }
    if (!event.code.empty())
        services_.events.add(std::move(event));
}

}  // namespace aptward::peer
