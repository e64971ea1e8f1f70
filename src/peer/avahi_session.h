// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What a node says to Avahi's daemon and hears from it. Private to peer/avahi*.cpp, which alone
// know its library.

#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <avahi-common/simple-watch.h>
#include <sys/eventfd.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <tuple>

#include "base/clock.h"
#include "base/file.h"
#include "peer/discovery.h"

namespace aptward::peer {

inline constexpr std::chrono::milliseconds kPollAgain{1000};  ///< When it failed.

struct AvahiWish {
    bool is_on = false;
    Announcement announcement;
};

// Between the node's threads and this one.
struct AvahiShared {
    // Avahi's own way to wake a poll loses what comes just before the poll.
    const Fd waking{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    std::mutex mutex;  // guards the next four
    std::condition_variable ended;
    AvahiWish wish;
    bool is_changed = false, is_stopping = false, has_ended = false;
    std::atomic<std::shared_ptr<const Services>> services{std::make_shared<const Services>()};
    std::atomic<std::shared_ptr<const Discovery::Report>> report{
        std::make_shared<const Discovery::Report>()};

    void wake() const { ::eventfd_write(waking.get(), 1); }
};

// Everything of Avahi's. Lives on the thread; so do all callbacks, from within step().
class AvahiSession {
public:
    AvahiSession(AvahiShared& shared, AvahiSimplePoll* poll) : shared_(shared), poll_(poll)
    {
        const AvahiPoll* const api = avahi_simple_poll_get(poll_);
        waking_ = api->watch_new(api, shared_.waking.get(), AVAHI_WATCH_IN, on_wake, this);
    }
    ~AvahiSession()
    {
        disconnect();
        if (waking_ != nullptr)
            avahi_simple_poll_get(poll_)->watch_free(waking_);
    }
    AvahiSession(const AvahiSession&) = delete;
    AvahiSession& operator=(const AvahiSession&) = delete;

    void step();

private:
    // An interface, an IP version and a name: what is announced on two networks is two services.
    using Key = std::tuple<AvahiIfIndex, AvahiProtocol, std::string>;
    struct Resolving {
        AvahiServiceResolver* resolver = nullptr;  // follows the service while it is announced
        SteadyTime again{};                        // when there is none
        Service service;                           // port 0: not known yet
    };

    void take_wish();
    void connect();
    void disconnect();
    void look();
    void resolve(const Key& key, Resolving& one);
    void announce();
    int add_services(const Announcement& what);
    void tell();
    void tell_absent(std::string why);
    int timeout_ms() const;
    // Nothing may be thrown through a library in C: it would be left in the middle of what it does.
    // Exhausted memory (R11) ends the connection, and another one begins.
    template <class Job>
    void guard(Job job) noexcept
    {
        try {
            job();
        } catch (...) {
            is_broken_ = true;
        }
    }

    static void on_wake(AvahiWatch* watch, int fd, AvahiWatchEvent event, void* self);
    static void on_client(AvahiClient* client, AvahiClientState state, void* self);
    static void on_group(AvahiEntryGroup* group, AvahiEntryGroupState state, void* self);
    static void on_browser(AvahiServiceBrowser* browser, AvahiIfIndex interface,
                           AvahiProtocol protocol, AvahiBrowserEvent event, const char* name,
                           const char* type, const char* domain, AvahiLookupResultFlags flags,
                           void* self);
    static void on_resolver(AvahiServiceResolver* resolver, AvahiIfIndex interface,
                            AvahiProtocol protocol, AvahiResolverEvent event, const char* name,
                            const char* type, const char* domain, const char* host,
                            const AvahiAddress* address, std::uint16_t port, AvahiStringList* text,
                            AvahiLookupResultFlags flags, void* self);

    AvahiShared& shared_;
    AvahiSimplePoll* const poll_;
    AvahiWatch* waking_ = nullptr;
    AvahiWish wish_;
    AvahiClient* client_ = nullptr;
    AvahiServiceBrowser* browser_ = nullptr;
    AvahiEntryGroup* group_ = nullptr;
    std::map<Key, Resolving> known_;
    SteadyTime connect_at_{};
    bool must_announce_ = false, must_tell_ = true, is_broken_ = false;
    std::string name_;  // announced, or tried
    int names_ = 0;     // tried
    std::string announced_, why_not_;
    std::string absent_;  // why
};

}  // namespace aptward::peer
