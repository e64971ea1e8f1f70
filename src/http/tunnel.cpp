// SPDX-License-Identifier: GPL-3.0-or-later
// CONNECT: bytes go both ways unread. Neither verified nor kept; the caller decides who may.
#include <sys/socket.h>

#include <asio/redirect_error.hpp>
#include <cerrno>

#include "http/connection.h"

namespace aptward::http {
namespace {

constexpr std::chrono::seconds kTunnelIdle{300};

struct Tunnel {
    Tunnel(const Executor& loop, Fd socket) : upstream(loop, socket.release()) {}
    Socket upstream;
    bool is_over = false;
    std::shared_ptr<std::atomic<std::uint64_t>> bytes;
    std::shared_ptr<Signal> down_done;
};

Async<bool> send_up(Tunnel& tunnel, std::string_view bytes)
{
    while (!bytes.empty() && !tunnel.is_over) {
        const ssize_t put =
            ::send(tunnel.upstream.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (put > 0) {
            tunnel.bytes->fetch_add(static_cast<std::uint64_t>(put), std::memory_order_relaxed);
            bytes.remove_prefix(static_cast<std::size_t>(put));
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            co_return false;
        asio::error_code error;
        co_await tunnel.upstream.async_wait(Socket::wait_write,
                                            asio::redirect_error(kUseAsync, error));
        if (error)
            co_return false;
    }
    co_return !tunnel.is_over;
}

// Upstream to client, beside the session's own coroutine that carries the other way.
Async<void> carry_down(std::shared_ptr<Connection> connection, std::shared_ptr<Tunnel> tunnel)
{
    std::string buffer(32 * 1024, '\0');
    while (!tunnel->is_over) {
        const ssize_t got =
            ::recv(tunnel->upstream.native_handle(), buffer.data(), buffer.size(), 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            break;
        if (got < 0) {
            asio::error_code error;
            co_await tunnel->upstream.async_wait(Socket::wait_read,
                                                 asio::redirect_error(kUseAsync, error));
            if (error)
                break;
            continue;
        }
        tunnel->bytes->fetch_add(static_cast<std::uint64_t>(got), std::memory_order_relaxed);
        const std::string_view part(buffer.data(), static_cast<std::size_t>(got));
        const bool is_sent = co_await connection->write(part, Follows::nothing);
        if (!is_sent)
            break;
        connection->extend(kTunnelIdle);
    }
    tunnel->is_over = true;
    connection->close_now();
    tunnel->down_done->notify();
}

}  // namespace

Async<void> Exchange::tunnel(Answer answer, Fd upstream,
                             std::shared_ptr<std::atomic<std::uint64_t>> bytes)
{
    const Executor loop = co_await asio::this_coro::executor;
    auto tunnel = std::make_shared<Tunnel>(loop, std::move(upstream));
    tunnel->bytes = std::move(bytes);
    tunnel->down_done = co_await make_signal();
    connection_.must_close() = false;
    const std::string text = render(answer, std::nullopt);
    connection_.must_close() = true;
    const bool is_begun = co_await connection_.write(text, Follows::nothing);
    if (!is_begun)
        co_return;
    auto connection = connection_.shared_from_this();
    spawn(loop, "tunnel", carry_down(connection, tunnel));
    std::string buffer = connection_.buffer().substr(head_.head_bytes);
    for (;;) {
        connection_.extend(kTunnelIdle);
        const bool is_sent = co_await send_up(*tunnel, buffer);
        if (!is_sent)
            break;
        buffer.clear();
        const bool has_more = co_await connection_.read_more(buffer, 32 * 1024);
        if (!has_more)
            break;
    }
    tunnel->is_over = true;
    asio::error_code ignored;
    tunnel->upstream.cancel(ignored);
    co_await tunnel->down_done->wait_until(steady_now() + std::chrono::seconds(5));
}

}  // namespace aptward::http
