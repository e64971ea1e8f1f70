// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Nodes of the local network find each other by mDNS and DNS-SD (RFC 6762, 6763). The machine's own
// responder does that: this node asks it, and opens no port for it.
// docs/decisions/0029-discovery.md.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace aptward::peer {

/// How nodes are called there, and how clients look for a proxy (squid-deb-proxy-client).
inline constexpr const char* kNodeService = "_aptward._tcp";
inline constexpr const char* kProxyService = "_apt_proxy._tcp";

/// What somebody on the local network says of a node: text from a stranger.
struct Service {
    std::string name;       ///< Of the service, any bytes: "aptward on b".
    std::string interface;  ///< Of this machine, on which it was heard: "eth0".
    std::string address;    ///< Numeric, without a zone.
    std::uint16_t port = 0;
    bool is_ours = false;  ///< This very program announced it.
    bool operator==(const Service&) const = default;
};
using Services = std::vector<Service>;

/// What this node says of itself.
struct Announcement {
    std::uint16_t port = 0;  ///< Where clients reach it over HTTP; 0: it says nothing.
    bool is_on_v4 = false, is_on_v6 = false;
    std::string key_id;    ///< A hint for people; empty: it is a proxy and no node to ask.
    bool is_proxy = true;  ///< For apt on other machines.
    bool operator==(const Announcement&) const = default;
};

/// Any thread.
class Discovery {
public:
    /// `absent`: the responder does not answer; it is asked again by itself.
    enum class State { off, not_built, starting, absent, working };
    struct Report {
        State state = State::off;
        std::string why;           ///< Of `absent`, or why nothing is announced.
        std::string announced_as;  ///< Empty: nothing is, or not yet.
    };

    /// Does not wait for the responder, however long that takes for an answer.
    virtual ~Discovery() = default;

    /// Looks for other nodes or not, and announces this or nothing, from now on.
    virtual void use(bool is_on, const Announcement& announcement) = 0;

    /// All that is announced now, at most kMostServices. Never null.
    virtual std::shared_ptr<const Services> services() const = 0;
    virtual Report report() const = 0;
};
std::string_view to_string(Discovery::State state);

inline constexpr std::size_t kMostServices = 256;  ///< By name, interface and IP version; guess.

/// By Avahi, or what does nothing where this was built without it.
std::unique_ptr<Discovery> make_discovery();

}  // namespace aptward::peer
