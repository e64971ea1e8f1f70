// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What a coroutine of this program is, and what it can wait for. The one header through which
// other folders see Asio (docs/decisions/0003-coroutines.md).

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/pool.h"
#include "base/result.h"

namespace aptward::http {

using Executor = asio::io_context::executor_type;

/// A coroutine that lives on one loop.
template <class T = void>
using Async = asio::awaitable<T, Executor>;

/// A coroutine that can fail.
template <class T>
using Task = Async<Result<T>>;

inline constexpr asio::use_awaitable_t<Executor> kUseAsync{};

/// Wakes one waiting coroutine from any thread. Wakes that nobody waits for are remembered, and
/// many wakes before the coroutine runs are one.
class Signal : public std::enable_shared_from_this<Signal> {
public:
    explicit Signal(const Executor& loop) : timer_(loop) {}

    /// Any thread.
    void notify();

    /// True when notified, false when `deadline` came first. On the signal's loop only.
    Async<bool> wait_until(SteadyTime deadline);

private:
    using Timer =
        asio::basic_waitable_timer<std::chrono::steady_clock,
                                   asio::wait_traits<std::chrono::steady_clock>, Executor>;
    Timer timer_;
    bool is_set_ = false;                  // on the loop
    std::atomic<bool> is_posted_ = false;  // a wake is on its way
};

/// A signal of the calling coroutine's loop.
Async<std::shared_ptr<Signal>> make_signal();

/// Waits without doing anything.
Async<void> sleep_until(SteadyTime time);

inline constexpr SteadyTime kNoDeadline = SteadyTime::max();

/// Runs `job` on a worker and brings its value back to the calling coroutine's loop.
template <class Job>
Async<std::invoke_result_t<Job>> on_worker(WorkerPool& pool, Job job)
{
    using Value = std::invoke_result_t<Job>;
    auto signal = co_await make_signal();
    auto value = std::make_shared<std::optional<Value>>();
    auto failure = std::make_shared<std::exception_ptr>();  // exhausted memory: thrown here again
    pool.post([signal, value, failure, job = std::move(job)]() mutable {
        try {
            value->emplace(job());
        } catch (...) {
            *failure = std::current_exception();
        }
        signal->notify();
    });
    bool is_done = false;
    while (!is_done) {
        is_done = co_await signal->wait_until(kNoDeadline);
    }
    if (*failure)
        std::rethrow_exception(*failure);
    co_return std::move(**value);
}

/// Starts a coroutine of its own on `loop`. `name` says in the log whose exception ended it.
void spawn(const Executor& loop, std::string name, Async<void> task);

/// Runs the coroutine that `make` gives, a Task, on `loop` and brings its result back to the
/// calling coroutine's loop. Fails with unavailable when it is not over at `deadline`; it goes on
/// then.
template <class Make>
std::invoke_result_t<Make> on_loop(Executor loop, std::string name, Make make, SteadyTime deadline)
{
    using Outcome = typename std::invoke_result_t<Make>::value_type;
    auto signal = co_await make_signal();
    auto outcome = std::make_shared<std::optional<Outcome>>();
    const auto body = [](Make inner, std::shared_ptr<std::optional<Outcome>> to,
                         std::shared_ptr<Signal> done) -> Async<void> {
        auto value = co_await inner();
        to->emplace(std::move(value));
        done->notify();
    };
    spawn(loop, std::move(name), body(std::move(make), outcome, signal));
    const bool is_over = co_await signal->wait_until(deadline);
    if (!is_over)
        co_return fail(Errc::unavailable, "the node is busy");
    co_return std::move(**outcome);
}

}  // namespace aptward::http
