// SPDX-License-Identifier: GPL-3.0-or-later
#include "http/task.h"

#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <exception>

#include "base/log.h"

namespace aptward::http {

void Signal::notify()
{
    if (is_posted_.exchange(true))
        return;
    asio::post(timer_.get_executor(), [self = shared_from_this()] {
        self->is_posted_.store(false);
        self->is_set_ = true;
        self->timer_.cancel();
    });
}

Async<bool> Signal::wait_until(SteadyTime deadline)
{
    if (!is_set_) {
        asio::error_code error;
        timer_.expires_at(deadline);
        co_await timer_.async_wait(asio::redirect_error(kUseAsync, error));
    }
    co_return std::exchange(is_set_, false);
}

Async<std::shared_ptr<Signal>> make_signal()
{
    const Executor loop = co_await asio::this_coro::executor;
    co_return std::make_shared<Signal>(loop);
}

Async<void> sleep_until(SteadyTime time)
{
    auto signal = co_await make_signal();
    co_await signal->wait_until(time);
}

void spawn(const Executor& loop, std::string name, Async<void> task)
{
    asio::co_spawn(loop, std::move(task), [name = std::move(name)](std::exception_ptr failure) {
        if (!failure)
            return;
        try {
            std::rethrow_exception(failure);
        } catch (const std::exception& error) {
            log_error("task.exception", {{"task", name}}, error.what());
        }
    });
}

}  // namespace aptward::http
