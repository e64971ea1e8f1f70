// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What a node says in the DHT and makes of what it hears: the keys of its releases, under which
// others find it, and pointers to the heads of nodes that it follows. No input or output of its
// own. docs/decisions/0032-swarm.md.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/clock.h"
#include "peer/found.h"
#include "peer/pointer.h"
#include "swarm/messages.h"
#include "tlog/note.h"

namespace aptward::peer {

inline constexpr std::size_t kMostKeys = 50;  ///< One for each suite's release.
/// A key is announced and looked up after so long, then twice as long each time, until it is some
/// time between the last two: what is announced is forgotten after half an hour out there.
inline constexpr std::chrono::seconds kSoon{5}, kLeastRhythm{900}, kMostRhythm{1800};
/// A release that is the newest one no more: others may look for it who have no newer one.
inline constexpr std::chrono::hours kLinger{24};
inline constexpr std::chrono::seconds kLookAtPointers{20};  ///< Up to twice as long.
inline constexpr std::size_t kMostHeard = 512;              ///< Addresses, at a time; guess.
inline constexpr std::ptrdiff_t kMostHeardOfAHost = 2;      ///< Or of an IPv6 network (/64).
inline constexpr std::chrono::minutes kHeardFor{45};
inline constexpr std::size_t kMostOrdersAtOnce = 8;

/// Of those that the DHT tells: fewer and slower than on the local network, for whoever announces
/// himself there may be anybody, anywhere (A19).
inline constexpr FoundLimits kFarLimits{32, 8, std::chrono::seconds(30)};

/// One thread.
class Dht {
public:
    /// Without `identity` it has no pointer of its own. `seed`: of the times that chance chooses.
    Dht(std::optional<tlog::SignerKey> identity, std::uint32_t seed);

    /// What this node is at the moment.
    struct Wishes {
        std::vector<Head> own;     ///< What it gives, the newest first.
        std::vector<Head> sought;  ///< What others point to, and it has not.
        std::vector<swarm::Place> places;
        std::uint16_t port = 0;     ///< Where clients reach it; 0: it is not announced.
        bool is_told = true;        ///< Whether it publishes anything.
        std::uint64_t wall_ms = 0;  ///< Since 1970.
    };
    struct Followed {
        tlog::VerifierKey key;
        std::uint64_t number = 0;  ///< 0: no pointer is known.
        Pointer pointer;
        SystemTime seen{};  ///< Last in the DHT; the epoch: not since the start.
        std::string why;    ///< Of a pointer that makes no sense.
    };

    void use(swarm::Net net) { net_ = net; }
    /// Pointers of others are forgotten.
    void follow(const std::vector<tlog::VerifierKey>& keys);
    /// A pointer as it was heard before a restart, or is heard now. Believed only when its owner
    /// signed it, and newer than the one that is known: then it is what should be remembered.
    std::optional<swarm::Item> take(const swarm::Item& item, SteadyTime now, SystemTime wall);
    void take(const swarm::Peers& peers, SteadyTime now);
    void take(const swarm::Stored& stored, SteadyTime now);
    /// The process has begun anew, and knows nothing.
    void begin(SteadyTime now);
    /// What is to be said now.
    std::vector<swarm::Order> due(const Wishes& wishes, SteadyTime now);

    /// Addresses at which a node is said to be.
    FoundPeers::Candidates candidates(SteadyTime now);
    std::vector<Followed> followed() const;
    std::size_t keys() const { return keys_.size(); }
    /// How many nodes of the DHT keep this node's pointer; 0: none yet.
    std::uint32_t kept_by() const { return kept_by_; }

private:
    /// When something is done again.
    struct Rhythm {
        SteadyTime next{};
        std::chrono::seconds pause = kSoon;
    };
    struct Meeting {
        Rhythm announce, lookup;
        SteadyTime own_until{};  // it is announced until then
        bool is_wanted = false;  // looked up: it is current, or sought
    };
    struct Follow {
        Followed told;
        std::optional<swarm::Item> item;
        Rhythm get, put;
    };

    std::chrono::seconds chance(std::chrono::seconds least, std::chrono::seconds most);
    bool is_due(Rhythm& rhythm, SteadyTime now);
    void want(const Wishes& wishes, SteadyTime now);
    void meet(const Wishes& wishes, SteadyTime now, std::vector<swarm::Order>& orders);
    void point(const Wishes& wishes, SteadyTime now, std::vector<swarm::Order>& orders);
    void look_at_pointers(SteadyTime now, std::vector<swarm::Order>& orders);
    swarm::PublicKey own() const;

    const std::optional<tlog::SignerKey> identity_;
    std::minstd_rand chance_;
    swarm::Net net_ = swarm::Net::internet;
    std::map<swarm::Key, Meeting> keys_;
    std::map<swarm::PublicKey, Follow> followed_;
    struct Heard {
        SteadyTime until{};
        std::string host;
    };
    std::map<std::string, Heard> heard_;  // by URL
    std::string pointer_;                 // as it was put last
    std::uint64_t number_ = 0;            // of it
    std::uint32_t kept_by_ = 0;
    Rhythm put_;
    SteadyTime may_put_{};  // a text that changes all the time is not put all the time
};

}  // namespace aptward::peer
