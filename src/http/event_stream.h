// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Server-sent events: one long answer that tells a client what happens, as it happens.
// Spec: HTML Living Standard 9.2.
//
// Nothing is queued per subscriber: a subscriber is woken and reads on from where it is in a
// durable, numbered stream. So a slow one holds one batch in memory, slows nobody, loses nothing.

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"

namespace aptward::http {

inline constexpr std::chrono::seconds kHeartbeat{15};

/// The text of one event; `text` may have several lines, `id` and `name` have none. Pure.
std::string format_server_event(std::string_view id, std::string_view name, std::string_view text);

/// Wakes all subscribers of one stream. Any thread.
class Wakers {
public:
    explicit Wakers(std::size_t limit) : limit_(limit) {}

    /// False when there are `limit` subscribers already. Leaving is dropping the signal.
    bool enter(const std::shared_ptr<Signal>& signal);
    void wake();

private:
    std::mutex mutex_;  // rare: subscribing, and events
    std::size_t limit_;
    std::vector<std::weak_ptr<Signal>> signals_;
};

/// The stream to one client. Lives on its loop, for one exchange.
class EventStream {
public:
    EventStream(Exchange& exchange, std::shared_ptr<Signal> signal);
    ~EventStream();
    EventStream(const EventStream&) = delete;
    EventStream& operator=(const EventStream&) = delete;

    /// Each gives false when the client is gone; then only return.
    Async<bool> begin();
    Async<bool> send(std::string_view formatted_events);
    /// Until the signal is notified; sends a comment every kHeartbeat meanwhile, so that proxies
    /// keep the connection and a dead client is found out.
    Async<bool> wait();

private:
    struct Watch;
    static Async<void> watch(std::shared_ptr<Connection> connection, std::shared_ptr<Watch> watch);

    Exchange& exchange_;
    std::shared_ptr<Signal> signal_;
    std::shared_ptr<Watch> watch_;
};

}  // namespace aptward::http
