// SPDX-License-Identifier: GPL-3.0-or-later
// One line each: a word that says what it is, then its parts, between single blanks. What is binary
// or text stands in hexadecimal, "-" for nothing. There is one spelling of each message.
#include "swarm/messages.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "base/digest.h"
#include "base/text.h"

namespace aptward::swarm {
namespace {

constexpr std::size_t kMostHostBytes = 255;
constexpr std::uint64_t kMostNumber = std::numeric_limits<std::int64_t>::max();

std::string hex_of(std::string_view bytes)
{
    if (bytes.empty())
        return "-";
    return to_hex(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

template <std::size_t count>
std::string hex_of(const std::array<std::uint8_t, count>& bytes)
{
    return to_hex(bytes.data(), count);
}

std::optional<unsigned> digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f')
        return static_cast<unsigned>(c - 'a' + 10);
    return std::nullopt;
}

/// The parts of a message, each taken once; what is wrong with one is wrong with all.
class Parts {
public:
    explicit Parts(std::string_view text) : rest_(text) {}

    std::string_view word()
    {
        if (is_over_) {
            is_wrong_ = true;
            return {};
        }
        const std::size_t end = rest_.find(' ');
        const std::string_view part = rest_.substr(0, end);
        is_over_ = end == std::string_view::npos;
        rest_.remove_prefix(is_over_ ? rest_.size() : end + 1);
        is_wrong_ = is_wrong_ || part.empty();
        return part;
    }
    std::string bytes(std::size_t most)
    {
        const std::string_view part = word();
        std::string bytes;
        if (part == "-")
            return bytes;
        if (part.size() % 2 != 0 || part.size() / 2 > most) {
            is_wrong_ = true;
            return bytes;
        }
        for (std::size_t i = 0; i < part.size(); i += 2) {
            const auto high = digit_of(part[i]), low = digit_of(part[i + 1]);
            is_wrong_ = is_wrong_ || !high || !low;
            bytes.push_back(static_cast<char>(high.value_or(0) << 4 | low.value_or(0)));
        }
        return bytes;
    }
    template <std::size_t count>
    std::array<std::uint8_t, count> fixed()
    {
        std::array<std::uint8_t, count> fixed{};
        const std::string got = bytes(count);
        is_wrong_ = is_wrong_ || got.size() != count;
        std::copy_n(got.begin(), std::min(got.size(), count), fixed.begin());
        return fixed;
    }
    template <class Number>
    Number number(std::uint64_t most = std::numeric_limits<Number>::max())
    {
        const std::string_view part = word();
        const auto number = parse_number<Number>(part);
        is_wrong_ = is_wrong_ || !number || *number > most || std::to_string(*number) != part;
        return number.value_or(0);
    }
    Place place()
    {
        auto place = parse_place(word());
        is_wrong_ = is_wrong_ || !place;
        return place ? std::move(*place) : Place();
    }
    bool has_more() const { return !is_over_ && !is_wrong_; }
    void refuse() { is_wrong_ = true; }

    template <class Message>
    Result<Message> finish(Message message) const
    {
        if (is_wrong_ || !is_over_)
            return fail(Errc::malformed, "a message in no known form");
        return message;
    }

private:
    std::string_view rest_;
    bool is_over_ = false, is_wrong_ = false;
};

// "HOST:PORT", where HOST is a name, an IPv4 address or "[V6]".
bool is_host_and_port(std::string_view text)
{
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || text.size() > kMostHostBytes)
        return false;
    const std::string_view host = text.substr(0, colon);
    const bool is_of_letters = std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == '[' || c == ']' || c == ':';
    });
    const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
    return is_of_letters && port && *port != 0;
}

bool is_address(const std::string& text)
{
    std::array<char, INET6_ADDRSTRLEN> printed{};
    ::in_addr v4{};
    ::in6_addr v6{};
    const bool is_v4 = ::inet_pton(AF_INET, text.c_str(), &v4) == 1;
    if (!is_v4 && ::inet_pton(AF_INET6, text.c_str(), &v6) != 1)
        return false;
    const void* const bytes = is_v4 ? static_cast<const void*>(&v4) : static_cast<const void*>(&v6);
    return ::inet_ntop(is_v4 ? AF_INET : AF_INET6, bytes, printed.data(), printed.size()) !=
               nullptr &&
           text == printed.data();
}

std::string text_of(const Start& start)
{
    std::string text =
        fmt::format("start {} {}", start.net == Net::internet ? "internet" : "closed", start.port);
    for (const std::string& host : start.bootstrap)
        text += " " + host;
    return text;
}
std::string text_of(const Announce& announce)
{
    return fmt::format("announce {} {}", hex_of(announce.key), announce.port);
}
std::string text_of(const Lookup& lookup)
{
    return "lookup " + hex_of(lookup.key);
}
std::string text_of(const Put& put)
{
    return fmt::format("put {} {} {} {} {}", hex_of(put.owner), hex_of(put.salt), put.number,
                       hex_of(put.signature), hex_of(put.value));
}
std::string text_of(const Get& get)
{
    return fmt::format("get {} {}", hex_of(get.owner), hex_of(get.salt));
}
std::string text_of(const Ready& ready)
{
    return fmt::format("ready {} {}", ready.protocol, hex_of(ready.program));
}
std::string text_of(const Alive& alive)
{
    return fmt::format("alive {} {}", alive.nodes, alive.address.empty() ? "-" : alive.address);
}
std::string text_of(const Trouble& trouble)
{
    return "trouble " + hex_of(trouble.sentence);
}
std::string text_of(const Peers& peers)
{
    std::string text = "peers " + hex_of(peers.key);
    for (const Place& place : peers.places)
        text += " " + to_string(place);
    return text;
}
std::string text_of(const Item& item)
{
    return fmt::format("item {} {} {} {} {}", hex_of(item.owner), hex_of(item.salt), item.number,
                       hex_of(item.signature), hex_of(item.value));
}
std::string text_of(const NoItem& none)
{
    return fmt::format("no-item {} {}", hex_of(none.owner), hex_of(none.salt));
}
std::string text_of(const Stored& stored)
{
    return fmt::format("stored {} {} {} {}", hex_of(stored.owner), hex_of(stored.salt),
                       stored.number, stored.nodes);
}

Start read_start(Parts& parts)
{
    Start start;
    const std::string_view net = parts.word();
    start.net = net == "closed" ? Net::closed : Net::internet;
    if (net != "closed" && net != "internet")
        parts.refuse();
    start.port = parts.number<std::uint16_t>();
    while (parts.has_more()) {
        start.bootstrap.emplace_back(parts.word());
        if (start.bootstrap.size() > kMostBootstrap || !is_host_and_port(start.bootstrap.back()))
            parts.refuse();
    }
    return start;
}

Announce read_announce(Parts& parts)
{
    Announce announce;
    announce.key = parts.fixed<20>();
    announce.port = parts.number<std::uint16_t>();
    if (announce.port == 0)  // which libtorrent takes for that of its own socket
        parts.refuse();
    return announce;
}

// Put and Item, of which one is the echo of the other.
template <class Message>
Message read_signed(Parts& parts)
{
    Message message;
    message.owner = parts.fixed<32>();
    message.salt = parts.bytes(kMostSaltBytes);
    message.number = parts.number<std::uint64_t>(kMostNumber);
    message.signature = parts.fixed<64>();
    message.value = parts.bytes(kMostItemBytes);
    return message;
}

template <class Message>
Message read_named(Parts& parts)
{
    Message message;
    message.owner = parts.fixed<32>();
    message.salt = parts.bytes(kMostSaltBytes);
    return message;
}

Ready read_ready(Parts& parts)
{
    Ready ready;
    ready.protocol = parts.number<unsigned>();
    ready.program = parts.bytes(kMostSentence);
    return ready;
}

Alive read_alive(Parts& parts)
{
    Alive alive;
    alive.nodes = parts.number<std::uint32_t>();
    alive.address = parts.word();
    if (alive.address == "-")
        alive.address.clear();
    else if (!is_address(alive.address))
        parts.refuse();
    return alive;
}

Peers read_peers(Parts& parts)
{
    Peers peers;
    peers.key = parts.fixed<20>();
    while (parts.has_more()) {
        peers.places.push_back(parts.place());
        if (peers.places.size() > kMostPeersTold)
            parts.refuse();
    }
    return peers;
}

Stored read_stored(Parts& parts)
{
    auto stored = read_named<Stored>(parts);
    stored.number = parts.number<std::uint64_t>(kMostNumber);
    stored.nodes = parts.number<std::uint32_t>();
    return stored;
}

}  // namespace

std::string to_string(const Place& place)
{
    const bool is_v6 = place.address.find(':') != std::string::npos;
    return is_v6 ? fmt::format("[{}]:{}", place.address, place.port)
                 : fmt::format("{}:{}", place.address, place.port);
}

Result<Place> parse_place(std::string_view text)
{
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos)
        return fail(Errc::malformed, "an address without a port");
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']') && host.size() > 2)
        host = host.substr(1, host.size() - 2);
    const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
    Place place{std::string(host), port.value_or(0)};
    if (place.port == 0 || !is_address(place.address) || to_string(place) != text)
        return fail(Errc::malformed, "no numeric address with a port");
    return place;
}

std::string to_string(const Order& order)
{
    return std::visit([](const auto& one) { return text_of(one); }, order);
}

std::string to_string(const Word& word)
{
    return std::visit([](const auto& one) { return text_of(one); }, word);
}

Result<Order> parse_order(std::string_view text)
{
    Parts parts(text);
    const std::string_view kind = parts.word();
    if (kind == "start")
        return parts.finish<Order>(read_start(parts));
    if (kind == "announce")
        return parts.finish<Order>(read_announce(parts));
    if (kind == "lookup")
        return parts.finish<Order>(Lookup{parts.fixed<20>()});
    if (kind == "put")
        return parts.finish<Order>(read_signed<Put>(parts));
    if (kind == "get")
        return parts.finish<Order>(read_named<Get>(parts));
    return fail(Errc::malformed, "an order of no known kind");
}

Result<Word> parse_word(std::string_view text)
{
    Parts parts(text);
    const std::string_view kind = parts.word();
    if (kind == "ready")
        return parts.finish<Word>(read_ready(parts));
    if (kind == "alive")
        return parts.finish<Word>(read_alive(parts));
    if (kind == "trouble")
        return parts.finish<Word>(Trouble{parts.bytes(kMostSentence)});
    if (kind == "peers")
        return parts.finish<Word>(read_peers(parts));
    if (kind == "item")
        return parts.finish<Word>(read_signed<Item>(parts));
    if (kind == "no-item")
        return parts.finish<Word>(read_named<NoItem>(parts));
    if (kind == "stored")
        return parts.finish<Word>(read_stored(parts));
    return fail(Errc::malformed, "a message of no known kind");
}

}  // namespace aptward::swarm
