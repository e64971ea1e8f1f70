// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// For threads that are no loop's, such as the jobs': waiting for a coroutine.

#include <functional>
#include <future>

#include "http/task.h"

namespace aptward::http {

/// Runs the coroutine that `make` gives, a Task, on `loop` and blocks this thread for its result.
/// `goes_on` is asked many times a second; when it says no, the coroutine is left to itself: it may
/// use nothing of the caller's. Fails as the coroutine does; with stale when it was left,
/// unavailable when memory was exhausted.
template <class Make>
typename std::invoke_result_t<Make>::value_type block_on(const Executor& loop, std::string name,
                                                         Make make,
                                                         const std::function<bool()>& goes_on)
{
    using Outcome = typename std::invoke_result_t<Make>::value_type;
    constexpr std::chrono::milliseconds kAskEvery{50};
    auto promise = std::make_shared<std::promise<Outcome>>();
    auto future = promise->get_future();
    const auto body = [](Make inner, std::shared_ptr<std::promise<Outcome>> end) -> Async<void> {
        auto outcome = co_await inner();
        end->set_value(std::move(outcome));
    };
    spawn(loop, std::move(name), body(std::move(make), std::move(promise)));
    while (future.wait_for(kAskEvery) != std::future_status::ready)
        if (!goes_on())
            return fail(Errc::stale, "told to stop");
    try {
        return future.get();
    } catch (const std::future_error&) {  // it was unwound
        return fail(Errc::unavailable, "the node ran short of memory");
    }
}

}  // namespace aptward::http
