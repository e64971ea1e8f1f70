// SPDX-License-Identifier: GPL-3.0-or-later
#include "http/event_stream.h"

#include <algorithm>

#include "http/connection.h"

namespace aptward::http {
namespace {

constexpr std::size_t kMaxUnaskedBytes = 16 * 1024;  // what a listening client may send: nothing

}  // namespace

std::string format_server_event(std::string_view id, std::string_view name, std::string_view text)
{
    std::string event;
    event.append("id: ").append(id).append("\nevent: ").append(name).append("\n");
    for (std::size_t start = 0; start <= text.size();) {
        // CR ends a line as LF does: both must become lines of their own.
        const std::size_t end = std::min(text.find_first_of("\r\n", start), text.size());
        event.append("data: ").append(text.substr(start, end - start)).append("\n");
        const bool is_pair = text.substr(end).starts_with("\r\n");
        start = end + (is_pair ? 2 : 1);
    }
    event += "\n";
    return event;
}

bool Wakers::enter(const std::shared_ptr<Signal>& signal)
{
    const std::lock_guard lock(mutex_);
    std::erase_if(signals_, [](const auto& known) { return known.expired(); });
    if (signals_.size() >= limit_)
        return false;
    signals_.push_back(signal);
    return true;
}

void Wakers::wake()
{
    const std::lock_guard lock(mutex_);
    for (const auto& known : signals_)
        if (const auto signal = known.lock())
            signal->notify();
}

/// Shared with the coroutine that listens for the client's leaving.
struct EventStream::Watch {
    bool is_over = false;
    std::weak_ptr<Signal> signal;
};

EventStream::EventStream(Exchange& exchange, std::shared_ptr<Signal> signal)
    : exchange_(exchange), signal_(std::move(signal)), watch_(std::make_shared<Watch>())
{
    watch_->signal = signal_;
}

EventStream::~EventStream()
{
    // The watcher waits on the connection: it ends with it, and a stream ends the connection.
    watch_->is_over = true;
    exchange_.connection().close_now();
}

Async<void> EventStream::watch(std::shared_ptr<Connection> connection, std::shared_ptr<Watch> watch)
{
    std::string unasked;
    while (!watch->is_over && unasked.size() < kMaxUnaskedBytes) {
        const bool is_there = co_await connection->read_more(unasked, kMaxUnaskedBytes);
        if (!is_there)
            break;
    }
    watch->is_over = true;
    if (const auto signal = watch->signal.lock())
        signal->notify();
}

Async<bool> EventStream::begin()
{
    Answer answer(200);
    answer.type("text/event-stream").header("Cache-Control", "no-store");
    answer.close = true;
    const bool is_sent = co_await exchange_.begin_stream(std::move(answer));
    if (!is_sent)
        co_return false;
    const Executor loop = co_await asio::this_coro::executor;
    spawn(loop, "event stream", watch(exchange_.connection().shared_from_this(), watch_));
    co_return co_await send(": aptward\n\n");
}

Async<bool> EventStream::send(std::string_view formatted_events)
{
    if (watch_->is_over)
        co_return false;
    exchange_.connection().set_idle(false);
    co_return co_await exchange_.send_bytes(formatted_events);
}

Async<bool> EventStream::wait()
{
    while (!watch_->is_over) {
        // A stopping node need not wait for us to end.
        exchange_.connection().set_idle(true);
        const bool is_woken = co_await signal_->wait_until(steady_now() + kHeartbeat);
        if (watch_->is_over)
            break;
        if (is_woken)
            co_return true;
        const bool is_sent = co_await send(": still here\n\n");
        if (!is_sent)
            break;
    }
    co_return false;
}

}  // namespace aptward::http
