// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What the node and aptward-swarm say to each other over a socket. Pure. Each end takes the other
// for hostile: the process reads what strangers send, and the node's words came from a network too.
// Spec: docs/formats/swarm.md.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace aptward::swarm {

/// Of what is spoken here; both ends have the same, or part.
inline constexpr unsigned kProtocol = 1;

inline constexpr std::size_t kMostBootstrap = 16;    ///< Names of nodes to begin with.
inline constexpr std::size_t kMostPeersTold = 128;   ///< Of one key in one message.
inline constexpr std::size_t kMostItemBytes = 1000;  ///< BEP 44: of a value, bencoded.
inline constexpr std::size_t kMostSaltBytes = 64;    ///< BEP 44.
inline constexpr std::size_t kMostSentence = 400;

/// A place in the DHT: 20 bytes, as torrents have them.
using Key = std::array<std::uint8_t, 20>;
using PublicKey = std::array<std::uint8_t, 32>;  ///< Ed25519
using Signature = std::array<std::uint8_t, 64>;

/// Which DHT: that of everybody, or one of private addresses.
enum class Net { internet, closed };

/// Where somebody is reached: a numeric address and a port.
struct Place {
    std::string address;  ///< "192.0.2.1", "2001:db8::1": as inet_ntop prints it.
    std::uint16_t port = 0;
    bool operator==(const Place&) const = default;
};
/// "192.0.2.1:3142", "[2001:db8::1]:3142".
std::string to_string(const Place& place);
/// Nothing but what to_string() gives, with a port that is not 0. Fails with malformed.
Result<Place> parse_place(std::string_view text);

// The node says:

/// First of all, once.
struct Start {
    Net net = Net::internet;
    std::uint16_t port = 0;              ///< UDP and TCP, on all addresses; 0: any that is free.
    std::vector<std::string> bootstrap;  ///< "HOST:PORT"; none: the first node of a net.
    bool operator==(const Start&) const = default;
};
/// This node is to be found under `key`, at `port`. Once; it lasts half an hour out there.
struct Announce {
    Key key{};
    std::uint16_t port = 0;
    bool operator==(const Announce&) const = default;
};
/// Who is to be found there? The answer is Peers, perhaps several, perhaps none.
struct Lookup {
    Key key{};
    bool operator==(const Lookup&) const = default;
};
/// A mutable item (BEP 44), signed by the node. The answer is Stored.
struct Put {
    PublicKey owner{};
    std::string salt;
    std::uint64_t number = 0;  ///< BEP 44's "seq"; below 2^63.
    Signature signature{};
    std::string value;  ///< The bytes of a string, which are bencoded out there.
    bool operator==(const Put&) const = default;
};
/// The answer is Item, perhaps several, or NoItem.
struct Get {
    PublicKey owner{};
    std::string salt;
    bool operator==(const Get&) const = default;
};

// The process says:

/// It is confined, and has begun what Start says.
struct Ready {
    unsigned protocol = 0;
    std::string program;  ///< "aptward-swarm/0.1.0"
    bool operator==(const Ready&) const = default;
};
/// Each few seconds: a process that says nothing for long hangs.
struct Alive {
    std::uint32_t nodes = 0;  ///< Of the DHT, that it knows.
    std::string address;      ///< Ours, as they see it; empty: nobody has said.
    bool operator==(const Alive&) const = default;
};
/// What does not work, for people; it goes on.
struct Trouble {
    std::string sentence;
    bool operator==(const Trouble&) const = default;
};
struct Peers {
    Key key{};
    std::vector<Place> places;
    bool operator==(const Peers&) const = default;
};
/// Believed only when `owner` has signed it (item.h).
struct Item {
    PublicKey owner{};
    std::string salt;
    std::uint64_t number = 0;
    Signature signature{};
    std::string value;
    bool operator==(const Item&) const = default;
};
struct NoItem {
    PublicKey owner{};
    std::string salt;
    bool operator==(const NoItem&) const = default;
};
/// How many nodes have taken the item.
struct Stored {
    PublicKey owner{};
    std::string salt;
    std::uint64_t number = 0;
    std::uint32_t nodes = 0;
    bool operator==(const Stored&) const = default;
};

using Order = std::variant<Start, Announce, Lookup, Put, Get>;
using Word = std::variant<Ready, Alive, Trouble, Peers, Item, NoItem, Stored>;

std::string to_string(const Order& order);
std::string to_string(const Word& word);

/// Fail with malformed for everything that to_string() does not give.
Result<Order> parse_order(std::string_view text);
Result<Word> parse_word(std::string_view text);

}  // namespace aptward::swarm
