// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/dht.h"

#include <arpa/inet.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "crypto/crypto.h"
#include "swarm/item.h"

namespace aptward::peer {
namespace {

constexpr std::chrono::seconds kLeastPutPause{10};
constexpr std::size_t kMostSought = 10;  // of the keys

// Somebody has one IPv4 address, or many IPv6 addresses of one network.
std::string host_of(const swarm::Place& place)
{
    ::in6_addr v6{};
    if (::inet_pton(AF_INET6, place.address.c_str(), &v6) != 1)
        return place.address;
    constexpr std::size_t kNetworkBytes = 8;
    return {reinterpret_cast<const char*>(v6.s6_addr), kNetworkBytes};
}

swarm::PublicKey public_key(const tlog::VerifierKey& key)
{
    return key.public_key();
}

}  // namespace

Dht::Dht(std::optional<tlog::SignerKey> identity, std::uint32_t seed)
    : identity_(std::move(identity)), chance_(seed)
{
}

swarm::PublicKey Dht::own() const
{
    return identity_ ? public_key(identity_->verifier()) : swarm::PublicKey{};
}

std::chrono::seconds Dht::chance(std::chrono::seconds least, std::chrono::seconds most)
{
    return std::chrono::seconds(
        std::uniform_int_distribution<std::int64_t>(least.count(), most.count())(chance_));
}

// Then its next turn is later.
bool Dht::is_due(Rhythm& rhythm, SteadyTime now)
{
    if (now < rhythm.next)
        return false;
    const auto steady = chance(kLeastRhythm, kMostRhythm);
    rhythm.next = now + (rhythm.pause < kLeastRhythm ? rhythm.pause : steady);
    rhythm.pause = std::min(rhythm.pause * 2, kLeastRhythm);
    return true;
}

void Dht::follow(const std::vector<tlog::VerifierKey>& keys)
{
    std::set<swarm::PublicKey> wanted;
    for (const tlog::VerifierKey& key : keys) {
        wanted.insert(public_key(key));
        if (followed_.count(public_key(key)) == 0)
            followed_.emplace(public_key(key), Follow{{key, 0, {}, {}, ""}, {}, {}, {}});
    }
    std::erase_if(followed_, [&](const auto& one) { return wanted.count(one.first) == 0; });
}

std::vector<Dht::Followed> Dht::followed() const
{
    std::vector<Followed> all;
    for (const auto& [key, one] : followed_)
        all.push_back(one.told);
    return all;
}

void Dht::begin(SteadyTime now)
{
    for (auto& [key, meeting] : keys_)
        meeting.announce = meeting.lookup = {now, kSoon};
    for (auto& [key, one] : followed_)
        one.get = one.put = {now, kSoon};
    put_ = {now, kSoon};
    kept_by_ = 0;
}

std::optional<swarm::Item> Dht::take(const swarm::Item& item, SteadyTime now, SystemTime wall)
{
    // The signature costs most: it is looked at where somebody wants to know.
    const bool is_own = item.owner == own();
    if (item.salt != kPointerSalt || (!is_own && followed_.count(item.owner) == 0) ||
        !swarm::is_genuine(item))
        return std::nullopt;
    if (is_own && item.number > number_) {
        number_ = item.number;  // of a run before this one, whose clock was ahead
        pointer_.clear();       // which is to have a number of its own
        return std::nullopt;
    }
    const auto found = followed_.find(item.owner);
    if (found == followed_.end())
        return std::nullopt;
    Follow& follow = found->second;
    if (wall != SystemTime{} && item.number >= follow.told.number)
        follow.told.seen = wall;
    // An older one: somebody out there has not heard of the newer, or wants nobody to (A7).
    if (item.number <= follow.told.number)
        return std::nullopt;
    auto pointer = parse_pointer(item.value);
    follow.told.number = item.number;
    follow.told.why = pointer ? "" : pointer.error().message();
    if (!pointer)
        return std::nullopt;
    follow.told.pointer = std::move(*pointer);
    follow.item = item;
    // Its owner has just put it: others keep it alive later, when he may be away.
    follow.put = {now + chance(kLeastRhythm, kMostRhythm), kLeastRhythm};
    return item;
}

void Dht::take(const swarm::Stored& stored, SteadyTime now)
{
    if (!identity_ || stored.owner != own() || stored.number != number_)
        return;
    kept_by_ = stored.nodes;
    if (stored.nodes > 0)
        put_ = {now + chance(kLeastRhythm, kMostRhythm), kLeastRhythm};
}

void Dht::take(const swarm::Peers& peers, SteadyTime now)
{
    const auto meeting = keys_.find(peers.key);
    if (meeting == keys_.end() || !meeting->second.is_wanted)
        return;
    for (const swarm::Place& place : peers.places) {
        const auto url = url_of(place, net_);
        if (!url)
            continue;
        const std::string host = host_of(place);
        const auto of_host = std::count_if(
            heard_.begin(), heard_.end(), [&](const auto& one) { return one.second.host == host; });
        if (heard_.count(*url) == 0 && of_host >= kMostHeardOfAHost)
            continue;
        // Whoever tells many keeps nobody else from being heard: chance says who makes room.
        if (heard_.count(*url) == 0 && heard_.size() >= kMostHeard)
            heard_.erase(std::next(heard_.begin(), std::uniform_int_distribution<std::ptrdiff_t>(
                                                       0, kMostHeard - 1)(chance_)));
        heard_[*url] = {now + kHeardFor, host};
    }
}

// The order in which they are looked at is nobody's to choose.
FoundPeers::Candidates Dht::candidates(SteadyTime now)
{
    std::erase_if(heard_, [now](const auto& one) { return one.second.until < now; });
    const std::string salt = std::to_string(chance_());
    FoundPeers::Candidates candidates;
    for (const auto& [url, heard] : heard_)
        candidates[crypto::digest_of(salt + url).hex()].push_back({url, "", "the DHT"});
    return candidates;
}

// Which keys there are: some that are looked for, those of what is given, the newest first, and
// those that were current lately.
void Dht::want(const Wishes& wishes, SteadyTime now)
{
    for (auto& [key, meeting] : keys_)
        meeting.is_wanted = false;
    std::size_t wanted = 0;
    const auto add = [&](const std::vector<Head>& heads, bool is_own, std::size_t most) {
        for (const Head& head : heads) {
            const swarm::Key key = meeting_key(head.id);
            const auto known = keys_.find(key);
            if (wanted == most)
                return;
            Meeting& meeting = known == keys_.end() ? keys_[key] : known->second;
            wanted += meeting.is_wanted ? 0U : 1U;
            meeting.is_wanted = true;
            if (is_own)
                meeting.own_until = now + kLinger;
        }
    };
    add(wishes.sought, false, kMostSought);
    add(wishes.own, true, kMostKeys);
    std::erase_if(keys_, [&](const auto& one) {
        return !one.second.is_wanted && one.second.own_until <= now;
    });
    while (keys_.size() > kMostKeys) {
        const auto oldest =
            std::min_element(keys_.begin(), keys_.end(), [](const auto& a, const auto& b) {
                return std::pair(a.second.is_wanted, a.second.own_until) <
                       std::pair(b.second.is_wanted, b.second.own_until);
            });
        keys_.erase(oldest);
    }
}

void Dht::meet(const Wishes& wishes, SteadyTime now, std::vector<swarm::Order>& orders)
{
    for (auto& [key, meeting] : keys_) {
        if (orders.size() >= kMostOrdersAtOnce)
            return;
        const bool is_announced = wishes.is_told && wishes.port != 0 && meeting.own_until > now;
        if (is_announced && is_due(meeting.announce, now))
            orders.emplace_back(swarm::Announce{key, wishes.port});
        if (meeting.is_wanted && is_due(meeting.lookup, now))
            orders.emplace_back(swarm::Lookup{key});
    }
}

// This node's own.
void Dht::point(const Wishes& wishes, SteadyTime now, std::vector<swarm::Order>& orders)
{
    if (!identity_ || !wishes.is_told || now < may_put_)
        return;
    std::string text = to_text(Pointer{wishes.places, wishes.own});
    const bool is_new = text != pointer_;
    if (is_new)
        put_ = {now, kSoon};
    if (!is_due(put_, now))
        return;
    may_put_ = now + kLeastPutPause;
    // A number is higher than all before it, also than those of a run that nobody remembers; the
    // same one says the same.
    if (is_new)
        number_ = std::max(number_ + 1, wishes.wall_ms);
    pointer_ = std::move(text);
    const auto signer = [this](std::string_view bytes) { return identity_->sign_bytes(bytes); };
    orders.emplace_back(swarm::sign(own(), kPointerSalt, number_, pointer_, signer));
    if (kept_by_ == 0)  // perhaps because they know a higher number
        orders.emplace_back(swarm::Get{own(), kPointerSalt});
}

void Dht::look_at_pointers(SteadyTime now, std::vector<swarm::Order>& orders)
{
    for (auto& [owner, one] : followed_) {
        if (orders.size() >= kMostOrdersAtOnce)
            return;
        if (now >= one.get.next) {
            orders.emplace_back(swarm::Get{owner, kPointerSalt});
            one.get.next =
                now + std::min(one.get.pause, chance(kLookAtPointers, kLookAtPointers * 2));
            one.get.pause = std::min(one.get.pause * 2, kLookAtPointers * 2);
        }
        // Its owner may be away: whoever follows him keeps his word alive.
        if (one.item && is_due(one.put, now))
            orders.emplace_back(swarm::Put{one.item->owner, one.item->salt, one.item->number,
                                           one.item->signature, one.item->value});
    }
}

std::vector<swarm::Order> Dht::due(const Wishes& wishes, SteadyTime now)
{
    std::vector<swarm::Order> orders;
    want(wishes, now);
    point(wishes, now, orders);
    look_at_pointers(now, orders);
    meet(wishes, now, orders);
    return orders;
}

}  // namespace aptward::peer
