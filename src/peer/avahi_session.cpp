// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/avahi_session.h"

#include <avahi-common/address.h>
#include <avahi-common/alternative.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-common/strlst.h>
#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <optional>
#include <thread>
#include <utility>

#include "base/text.h"

namespace aptward::peer {
namespace {

// After a lost daemon, and where there is no D-Bus at all: a connect to a local socket.
constexpr std::chrono::seconds kConnectAgain{2}, kConnectLater{5};
constexpr std::chrono::seconds kResolveAgain{60};  // a name that had no address
constexpr int kMostNames = 16;                     // that other services had already
constexpr std::size_t kMostNameBytes = 63;

}  // namespace

void AvahiSession::take_wish()
{
    const std::lock_guard lock(shared_.mutex);
    if (!std::exchange(shared_.is_changed, false))
        return;
    must_announce_ = must_announce_ || shared_.wish.announcement != wish_.announcement;
    wish_ = shared_.wish;
    must_tell_ = true;
}

void AvahiSession::step()
{
    take_wish();
    if (!wish_.is_on)
        disconnect();
    else if (client_ == nullptr && connect_at_ <= steady_now())
        connect();
    if (client_ != nullptr)
        look();
    if (std::exchange(must_tell_, false))
        tell();
    if (avahi_simple_poll_iterate(poll_, timeout_ms()) != 0)
        std::this_thread::sleep_for(kPollAgain);
}

// Until something is to be done that nobody wakes us for; -1: nothing is.
int AvahiSession::timeout_ms() const
{
    std::optional<SteadyTime> next;
    if (wish_.is_on && client_ == nullptr)
        next = connect_at_;
    for (const auto& [key, one] : known_)
        if (one.resolver == nullptr && (!next || one.again < *next))
            next = one.again;
    if (!next)
        return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - steady_now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

void AvahiSession::on_wake(AvahiWatch*, int fd, AvahiWatchEvent, void*)
{
    ::eventfd_t count = 0;
    ::eventfd_read(fd, &count);
}

void AvahiSession::connect()
{
    int error = 0;
    // The client waits for a daemon that is not there yet, but not for a D-Bus.
    client_ = avahi_client_new(avahi_simple_poll_get(poll_), AVAHI_CLIENT_NO_FAIL, on_client, this,
                               &error);
    if (client_ != nullptr)
        return;
    connect_at_ = steady_now() + kConnectLater;
    tell_absent(avahi_strerror(error));
}

// The browser, the group and the resolvers are the client's and end with it.
void AvahiSession::disconnect()
{
    if (client_ != nullptr)
        avahi_client_free(client_);
    client_ = nullptr;
    browser_ = nullptr;
    group_ = nullptr;
    known_.clear();
    announced_.clear();
    names_ = 0;
    is_broken_ = false;
    must_announce_ = true;
    must_tell_ = true;
}

void AvahiSession::tell_absent(std::string why)
{
    must_tell_ = must_tell_ || absent_ != why;
    absent_ = std::move(why);
}

// What there is to do in the state that the client is in.
void AvahiSession::look()
{
    const AvahiClientState state = avahi_client_get_state(client_);
    if (state == AVAHI_CLIENT_FAILURE || is_broken_) {
        tell_absent(avahi_strerror(avahi_client_errno(client_)));
        disconnect();
        connect_at_ = steady_now() + kConnectAgain;
        return;
    }
    if (state == AVAHI_CLIENT_CONNECTING)
        return tell_absent("it does not run");
    if (!std::exchange(absent_, {}).empty())
        must_tell_ = true;
    if (browser_ == nullptr) {
        browser_ =
            avahi_service_browser_new(client_, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, kNodeService,
                                      nullptr, AVAHI_LOOKUP_USE_MULTICAST, on_browser, this);
        must_tell_ = true;
        if (browser_ == nullptr) {
            is_broken_ = true;
            return look();
        }
    }
    for (auto& [key, one] : known_)
        if (one.resolver == nullptr && one.again <= steady_now())
            resolve(key, one);
    if (state == AVAHI_CLIENT_S_RUNNING && std::exchange(must_announce_, false))
        announce();
}

void AvahiSession::resolve(const Key& key, Resolving& one)
{
    const auto& [interface, protocol, name] = key;
    one.resolver = avahi_service_resolver_new(client_, interface, protocol, name.c_str(),
                                              kNodeService, nullptr, protocol,
                                              AVAHI_LOOKUP_USE_MULTICAST, on_resolver, this);
    one.again = steady_now() + kResolveAgain;
}

void AvahiSession::announce()
{
    announced_.clear();
    why_not_.clear();
    must_tell_ = true;
    if (group_ != nullptr)
        avahi_entry_group_reset(group_);
    const Announcement& what = wish_.announcement;
    if (what.port == 0)
        return;
    if (group_ == nullptr)
        group_ = avahi_entry_group_new(client_, on_group, this);
    if (name_.empty()) {
        const char* host = avahi_client_get_host_name(client_);
        name_ =
            fmt::format("aptward on {}", host == nullptr ? "?" : host).substr(0, kMostNameBytes);
    }
    int error = group_ == nullptr ? avahi_client_errno(client_) : add_services(what);
    while (error == AVAHI_ERR_COLLISION && ++names_ < kMostNames) {
        char* const other = avahi_alternative_service_name(name_.c_str());
        name_ = other;
        avahi_free(other);
        avahi_entry_group_reset(group_);
        error = add_services(what);
    }
    if (error != AVAHI_OK)
        why_not_ = avahi_strerror(error);
}

int AvahiSession::add_services(const Announcement& what)
{
    const AvahiProtocol protocol = what.is_on_v4 && what.is_on_v6 ? AVAHI_PROTO_UNSPEC
                                   : what.is_on_v6                ? AVAHI_PROTO_INET6
                                                                  : AVAHI_PROTO_INET;
    const auto add = [&](const char* type, AvahiStringList* text) {
        const int error = avahi_entry_group_add_service_strlst(
            group_, AVAHI_IF_UNSPEC, protocol, AvahiPublishFlags{}, name_.c_str(), type, nullptr,
            nullptr, what.port, text);
        avahi_string_list_free(text);
        return error;
    };
    int error = AVAHI_OK;
    if (!what.key_id.empty())
        error =
            add(kNodeService, avahi_string_list_new("v=1", ("id=" + what.key_id).c_str(), nullptr));
    if (error == AVAHI_OK && what.is_proxy)
        error = add(kProxyService, nullptr);
    return error == AVAHI_OK ? avahi_entry_group_commit(group_) : error;
}

void AvahiSession::tell()
{
    auto services = std::make_shared<Services>();
    for (const auto& [key, one] : known_)
        if (one.service.port != 0)
            services->push_back(one.service);
    shared_.services = std::shared_ptr<const Services>(std::move(services));
    auto report = std::make_shared<Discovery::Report>();
    if (wish_.is_on) {
        report->state = !absent_.empty()      ? Discovery::State::absent
                        : browser_ == nullptr ? Discovery::State::starting
                                              : Discovery::State::working;
        report->why = printable(absent_.empty() ? why_not_ : absent_);
        report->announced_as = printable(announced_);
    }
    shared_.report = std::shared_ptr<const Discovery::Report>(std::move(report));
}

// The rest is seen by look(). While the machine's own name is not settled nothing is announced.
void AvahiSession::on_client(AvahiClient*, AvahiClientState state, void* self)
{
    auto& session = *static_cast<AvahiSession*>(self);
    const bool is_unsettled =
        state == AVAHI_CLIENT_S_COLLISION || state == AVAHI_CLIENT_S_REGISTERING;
    if (is_unsettled && session.group_ != nullptr)
        avahi_entry_group_reset(session.group_);
    if (is_unsettled) {
        session.must_announce_ = session.must_tell_ = true;
        session.announced_.clear();
        session.name_.clear();
        session.names_ = 0;
    }
}

void AvahiSession::on_group(AvahiEntryGroup* group, AvahiEntryGroupState state, void* self)
{
    auto& session = *static_cast<AvahiSession*>(self);
    session.guard([&] {
        if (state == AVAHI_ENTRY_GROUP_ESTABLISHED) {
            session.announced_ = session.name_;
            session.names_ = 0;
        }
        if (state == AVAHI_ENTRY_GROUP_FAILURE || state == AVAHI_ENTRY_GROUP_COLLISION)
            session.announced_.clear();
        if (state == AVAHI_ENTRY_GROUP_FAILURE)
            session.why_not_ =
                avahi_strerror(avahi_client_errno(avahi_entry_group_get_client(group)));
        // Another machine has this name: it keeps it.
        if (state == AVAHI_ENTRY_GROUP_COLLISION && ++session.names_ >= kMostNames) {
            session.why_not_ = avahi_strerror(AVAHI_ERR_COLLISION);
        } else if (state == AVAHI_ENTRY_GROUP_COLLISION) {
            char* const other = avahi_alternative_service_name(session.name_.c_str());
            session.name_ = other;
            avahi_free(other);
            session.must_announce_ = true;
        }
        session.must_tell_ = true;
    });
}

void AvahiSession::on_browser(AvahiServiceBrowser*, AvahiIfIndex interface, AvahiProtocol protocol,
                              AvahiBrowserEvent event, const char* name, const char*, const char*,
                              AvahiLookupResultFlags, void* self)
{
    auto& session = *static_cast<AvahiSession*>(self);
    session.guard([&] {
        if (event == AVAHI_BROWSER_NEW) {
            if (session.known_.size() < kMostServices)
                session.known_.try_emplace(Key(interface, protocol, name));
        } else if (event == AVAHI_BROWSER_REMOVE) {
            const auto known = session.known_.find(Key(interface, protocol, name));
            if (known == session.known_.end())
                return;
            if (known->second.resolver != nullptr)
                avahi_service_resolver_free(known->second.resolver);
            session.known_.erase(known);
            session.must_tell_ = true;
        } else if (event == AVAHI_BROWSER_FAILURE) {
            session.is_broken_ = true;
        }
    });
}

void AvahiSession::on_resolver(AvahiServiceResolver* resolver, AvahiIfIndex interface,
                               AvahiProtocol protocol, AvahiResolverEvent event, const char* name,
                               const char*, const char*, const char*, const AvahiAddress* address,
                               std::uint16_t port, AvahiStringList*, AvahiLookupResultFlags flags,
                               void* self)
{
    auto& session = *static_cast<AvahiSession*>(self);
    session.guard([&] {
        const auto known = session.known_.find(Key(interface, protocol, name));
        if (known == session.known_.end())
            return;
        Resolving& one = known->second;
        session.must_tell_ = true;
        if (event != AVAHI_RESOLVER_FOUND) {
            avahi_service_resolver_free(resolver);
            one.resolver = nullptr;
            one.service = {};
            return;
        }
        std::array<char, AVAHI_ADDRESS_STR_MAX> text{};
        avahi_address_snprint(text.data(), text.size(), address);
        std::array<char, IF_NAMESIZE> device{};
        if (interface >= 0)
            ::if_indextoname(static_cast<unsigned>(interface), device.data());
        one.service = {name, device.data(), text.data(), port,
                       (flags & AVAHI_LOOKUP_RESULT_OUR_OWN) != 0};
    });
}

}  // namespace aptward::peer
