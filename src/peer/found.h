// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Which of the services that are announced on the local network become peers. Pure. Whoever can
// send packets there decides what is announced: nobody makes this node look at more than a few
// addresses, at none that is not of a local network, and at none all the time (A19).

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "peer/discovery.h"
#include "peer/link.h"
#include "swarm/messages.h"

namespace aptward::peer {

inline constexpr std::size_t kMostFound = 64;  ///< Peers at a time; guess.

/// Of those that are not known yet so many are looked at at once, then one in so long; guesses.
inline constexpr double kNewcomersAtOnce = 64;
inline constexpr std::chrono::seconds kOneNewcomerEach{10};

struct FoundLimits {
    std::size_t most = kMostFound;
    double newcomers_at_once = kNewcomersAtOnce;
    std::chrono::seconds one_newcomer_each = kOneNewcomerEach;
};

/// Looks in a row that fail before a peer is given up, and until its address is looked at again if
/// it is still announced: twice as long each time, up to the second.
inline constexpr unsigned kMostFailures = 3;
inline constexpr std::chrono::minutes kQuietFor{1}, kMostQuietFor{60};

/// Where a service is asked: "http://10.0.0.2:3142". Nothing unless its address is private or
/// link-local (RFC 1918, 3927, 4193, 4291 2.5.6) and its port 80, 443 or 1024 and above: below are
/// services that have nothing to do with this, which a stranger would have us speak to.
std::optional<std::string> url_of(const Service& service);

/// Where the DHT says that a node is. Of the internet's a public address only (A19), of a closed
/// net's one of a local network; ports as above.
std::optional<std::string> url_of(const swarm::Place& place, swarm::Net net);

struct Found {
    std::string url;
    std::string name, interface;  ///< As announced; printable.
    bool operator==(const Found&) const = default;
};

/// One thread.
class FoundPeers {
public:
    /// What came of looking at one of them.
    struct Looked {
        State state = State::untried;
        unsigned failures = 0;
        bool is_named_otherwise = false;  ///< The configuration or an operator names this node.
    };
    /// By URL.
    using Looks = std::map<std::string, Looked>;
    /// By what tells one node from another; of each one address is taken.
    using Candidates = std::map<std::string, std::vector<Found>>;

    explicit FoundPeers(const FoundLimits& limits = {}) : limits_(limits) {}

    /// Takes up what is announced, and lets go of who has failed, is this node itself or is named
    /// otherwise. Who is not announced any more stays while it answers: else anybody could make a
    /// node forget its neighbours. True when peers() has changed.
    bool update(const Services& services, const Looks& looks, SteadyTime now);
    bool update_from(const Candidates& candidates, const Looks& looks, SteadyTime now);
    /// Lets go of all. True when peers() has changed.
    bool clear();
    /// Somebody changed who is named: those that were left alone may be peers now.
    void forget_quiet() { quiet_.clear(); }

    /// In the order in which they were found.
    const std::vector<Found>& peers() const { return peers_; }

private:
    struct Quiet {
        SteadyTime until;
        unsigned times = 0;
    };
    bool let_go(const Looks& looks, SteadyTime now);
    bool take_up(const Candidates& candidates, SteadyTime now);
    bool is_peer(const std::string& url) const;
    bool is_quiet(const std::string& url, SteadyTime now) const;
    void quieten(const std::string& url, SteadyTime now);

    const FoundLimits limits_;
    std::vector<Found> peers_;
    std::map<std::string, Quiet> quiet_;  // by URL
    double newcomers_ = limits_.newcomers_at_once;
    SteadyTime counted_{};
};

}  // namespace aptward::peer
