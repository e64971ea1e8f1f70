// SPDX-License-Identifier: GPL-3.0-or-later
#include "http/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/redirect_error.hpp>
#include <cerrno>
#include <utility>

#include "base/check.h"

namespace aptward::http {
namespace {

constexpr std::size_t kReadChunk = 16 * 1024;
constexpr std::size_t kIdleChunk = 2 * 1024;     // ten pipelined requests of apt's need two reads
constexpr std::size_t kSendfileSlice = 2 << 20;  // what nginx takes at a time

bool would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

// Whether sendfile failed for the file's sake; the rest says that the client is gone.
bool is_of_the_file(int error)
{
    return error != EPIPE && error != ECONNRESET && error != ENOTCONN && error != ETIMEDOUT &&
           error != ENOMEM && error != ENOBUFS && error != EHOSTUNREACH && error != ENETUNREACH;
}

}  // namespace

Connection::Connection(const Loops::Loop& loop, Session session)
    : loop_(loop),
      socket_(loop.executor()),
      principal_(std::move(session.principal)),
      limits_(session.limits),
      door_(std::move(session.door)),
      responder_(std::move(session.responder)),
      tls_(std::move(session.tls)),
      deadline_(steady_now() + session.limits.idle),
      buffer_(std::move(session.received)),
      requests_(session.requests),
      written_bytes_(session.written_bytes),
      is_inside_(session.is_inside)
{
    socket_.assign(session.socket.get());  // throws when the loop cannot take it; it is closed then
    session.socket.release();
    asio::error_code ignored;
    socket_.non_blocking(true, ignored);
}

Connection::~Connection() = default;

Session Connection::release()
{
    return {Fd(socket_.release()),
            std::move(principal_),
            limits_,
            std::move(door_),
            std::move(responder_),
            std::move(tls_),
            std::move(buffer_),
            requests_,
            written_bytes_,
            true};
}

void Connection::close_now()
{
    if (is_closed_)
        return;
    is_closed_ = true;
    // Shut down rather than close: the coroutine still holds the descriptor and wakes up now.
    ::shutdown(socket_.native_handle(), SHUT_RDWR);
    asio::error_code ignored;
    socket_.cancel(ignored);
}

void Connection::reset()
{
    const ::linger hard{1, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    must_close_ = true;
    is_closed_ = true;
    asio::error_code ignored;
    socket_.cancel(ignored);
}

Async<bool> Connection::wait_readable()
{
    if (is_closed_)
        co_return false;
    asio::error_code error;
    co_await socket_.async_wait(Socket::wait_read, asio::redirect_error(kUseAsync, error));
    co_return !error && !is_closed_;
}

Async<bool> Connection::wait_writable()
{
    if (is_closed_)
        co_return false;
    asio::error_code error;
    co_await socket_.async_wait(Socket::wait_write, asio::redirect_error(kUseAsync, error));
    co_return !error && !is_closed_;
}

Async<bool> Connection::read_more(std::string& to, std::size_t at_most)
{
    if (tls_) {
        co_return co_await read_tls(to, at_most);
    }
    if (is_closed_)
        co_return false;
    const std::size_t have = to.size();
    if (have == 0 && to.capacity() > kIdleChunk)
        std::string().swap(to);  // an idle connection costs a small buffer only
    const std::size_t room = std::min(at_most, have == 0 ? kIdleChunk : kReadChunk);
    to.resize(have + room);
    // Asio tries the read first and then waits without another epoll_ctl: a plain wait for
    // readiness costs one each time (measured: 5 % of a small hit).
    asio::error_code error;
    const auto space = asio::buffer(to.data() + have, room);
    const std::size_t got =
        co_await socket_.async_read_some(space, asio::redirect_error(kUseAsync, error));
    to.resize(have + got);
    co_return got > 0 && !is_closed_;
}

// Takes from the front of both what the kernel took; false when the client is gone.
bool Connection::put_some(std::string_view& head, std::string_view& body)
{
    ::iovec parts[2] = {{const_cast<char*>(head.data()), head.size()},
                        {const_cast<char*>(body.data()), body.size()}};
    ::msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    ssize_t put = 0;
    do {
        put = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    if (put < 0 && would_block(errno))
        return true;
    if (put < 0) {
        must_close_ = true;  // what follows would be taken for the rest of this answer
        return false;
    }
    const auto sent = static_cast<std::size_t>(put);
    const std::size_t of_head = std::min(sent, head.size());
    head.remove_prefix(of_head);
    body.remove_prefix(sent - of_head);
    written_bytes_ += sent;
    deadline_ = steady_now() + limits_.write_stall;
    return true;
}

Async<bool> Connection::write_both(std::string_view head, std::string_view body)
{
    if (tls_) {
        std::string joined;  // they share records
        joined.reserve(head.size() + body.size());
        joined.append(head).append(body);
        co_return co_await push_tls(joined, 0);
    }
    for (;;) {
        if (is_closed_ || !put_some(head, body))
            co_return false;
        if (head.empty() && body.empty())
            co_return true;
        const bool is_ready = co_await wait_writable();
        if (!is_ready)
            co_return false;
    }
}

Async<bool> Connection::write(std::string_view bytes, Follows follows)
{
    if (tls_) {
        co_return co_await write_tls(bytes, follows);
    }
    const int flags = MSG_NOSIGNAL | (follows == Follows::nothing ? 0 : MSG_MORE);
    while (!bytes.empty()) {
        if (is_closed_)
            co_return false;
        const ssize_t put = ::send(socket_.native_handle(), bytes.data(), bytes.size(), flags);
        if (put > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(put));
            written_bytes_ += static_cast<std::uint64_t>(put);
            deadline_ = steady_now() + limits_.write_stall;
            continue;
        }
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && !would_block(errno)) {
            must_close_ = true;  // what follows would be taken for the rest of this answer
            co_return false;
        }
        const bool is_ready = co_await wait_writable();
        if (!is_ready)
            co_return false;
    }
    co_return true;
}

Async<bool> Connection::write_file(int fd, std::uint64_t first, std::uint64_t count)
{
    if (tls_) {
        co_return co_await write_file_tls(fd, first, count);
    }
    auto offset = static_cast<::off_t>(first);
    while (count > 0) {
        if (is_closed_)
            co_return false;
        const std::size_t slice =
            static_cast<std::size_t>(std::min<std::uint64_t>(count, kSendfileSlice));
        const ssize_t put = ::sendfile(socket_.native_handle(), fd, &offset, slice);
        if (put > 0) {
            count -= static_cast<std::uint64_t>(put);
            written_bytes_ += static_cast<std::uint64_t>(put);
            deadline_ = steady_now() + limits_.write_stall;
            continue;
        }
        if (put < 0 && errno == EINTR)
            continue;
        if (put == 0 || !would_block(errno)) {
            // A file that is shorter than announced or cannot be read is damage: the client is cut
            // off, never given anything else in its place.
            is_file_unreadable_ = put == 0 || is_of_the_file(errno);
            reset();
            co_return false;
        }
        const SteadyTime full = steady_now();
        const bool is_ready = co_await wait_writable();
        if (!is_ready)
            co_return false;
        fit_queue(steady_now() - full);
    }
    co_return true;
}

// A client that reads as fast as we send may have as much on its way as the kernel sees fit: every
// time the queue runs dry costs a wake-up (measured at 20 MB: half of the CPU of a byte). One that
// stalls is held to the limit again.
void Connection::fit_queue(SteadyTime::duration waited)
{
    constexpr std::chrono::milliseconds kFast{250};
    const bool is_fast = waited < kFast;
    if (is_fast == std::exchange(is_fast_, is_fast))
        return;
    const int limit = is_fast ? 0 : kUnsentBytes;  // 0: the system's own, which is none
    ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &limit, sizeof limit);
}

Async<void> Connection::refuse(Answer answer, std::string why)
{
    const RequestHead head;
    const Target target;
    Exchange exchange(*this, head, target, principal_);
    answer.type("text/plain; charset=utf-8");
    answer.close = true;
    why += '\n';
    co_await exchange.send(std::move(answer), why);
}

Async<void> Connection::refuse_malformed(const Error& error)
{
    Answer answer(400);
    co_await refuse(std::move(answer),
                    "request.malformed: " + error.message() +
                        "; apt never sends this: check for another proxy in between, or for a "
                        "mistake in the client's proxy setting");
}

Async<void> Connection::refuse_stranger(const Admission& admission, const RequestHead& head,
                                        const Error& error)
{
    const bool may_show_token = admission.authentication == Authentication::token;
    const auto target = parse_target(head.method, head.target);
    const bool is_proxied = target && (target->form == Target::Form::absolute ||
                                       target->form == Target::Form::authority);
    Answer answer(!may_show_token ? 403 : is_proxied ? 407 : 401);
    const std::string_view name = is_proxied ? "Proxy-Authenticate" : "WWW-Authenticate";
    if (may_show_token)
        answer.header(name, "Bearer realm=\"aptward\"").header(name, "Basic realm=\"aptward\"");
    co_await refuse(std::move(answer), "client.unknown: " + error.message());
}

Async<bool> Connection::answer_one(const RequestHead& head, const Principal& principal)
{
    auto target = parse_target(head.method, head.target);
    if (!target) {
        co_await refuse_malformed(target.error());
        co_return false;
    }
    is_leaving_ = !loop_.is_for(*target);
    if (is_leaving_)
        co_return false;
    is_http_10_ = head.minor_version == 0;
    // What a handler leaves of a body would be taken for the next request.
    const bool has_body = head.is_chunked || head.body_bytes.value_or(0) > 0;
    must_close_ = !head.keep_alive || has_body || is_closing();
    Exchange exchange(*this, head, *target, principal);
    co_await responder_->handler(exchange);
    CHECK(exchange.has_answered() || must_close_, "a handler answers every request");
    // An answer without its end would swallow the next one.
    co_return !must_close_ && !is_closed_ && !exchange.has_open_stream();
}

std::optional<ReadyAnswer> Connection::find_ready(const RequestHead& head,
                                                  const Principal& principal)
{
    const bool is_simple = head.minor_version == 1 && head.keep_alive && !head.is_chunked &&
                           !head.body_bytes && !is_closing();
    if (responder_->shortcut == nullptr || !is_simple || loop_.is_aside())
        return std::nullopt;
    return responder_->shortcut->find(head, principal);
}

// Who shows this request: told apart for each, where the listener has a door.
Async<bool> Connection::is_admitted(const RequestHead& head, std::optional<Principal>& to)
{
    const auto admission = door_->load();
    auto found = admit(*admission, principal_, head);
    if (!found) {
        co_await refuse_stranger(*admission, head, found.error());
        co_return false;
    }
    to = std::move(*found);
    co_return true;
}

Async<bool> Connection::respond(const RequestHead& head)
{
    std::optional<Principal> shown;
    if (door_) {
        const bool is_welcome = co_await is_admitted(head, shown);
        if (!is_welcome)
            co_return false;
    }
    const Principal& principal = shown ? *shown : principal_;
    const auto ready = find_ready(head, principal);
    if (!ready) {
        co_return co_await answer_one(head, principal);
    }
    const bool is_sent = co_await send_ready(*ready, principal);
    co_return is_sent && !is_closed_;
}

Async<bool> Connection::send_ready(const ReadyAnswer& answer, const Principal& principal)
{
    const std::string_view date = date_line();
    std::string head;
    head.reserve(answer.head.size() + date.size() + 2);
    head.append(answer.head).append(date).append("\r\n");
    const std::uint64_t body_from = written_bytes_ + head.size();
    bool is_sent = false;
    if (answer.file < 0) {
        is_sent = co_await write_both(head, answer.body);
    } else {
        is_sent = co_await write(head, Follows::at_once);
        if (is_sent) {
            is_sent = co_await write_file(answer.file, 0, answer.file_bytes);
        }
    }
    const std::uint64_t body_bytes = std::max(written_bytes_, body_from) - body_from;
    responder_->shortcut->sent(answer, principal, {body_bytes, is_sent, is_file_unreadable_});
    co_return is_sent;
}

Async<void> Connection::run()
{
    if (door_ && !is_inside_) {
        const bool is_open = co_await open_door();
        if (!is_open) {
            co_await finish(true);
            co_return;
        }
    }
    bool goes_on = true;
    for (; goes_on && requests_ < limits_.requests_per_connection; ++requests_) {
        is_idle_ = buffer_.empty();
        extend(is_idle_ ? limits_.idle : limits_.head);
        auto head = parse_request_head(buffer_);
        while (head && !*head) {
            const bool has_more = co_await read_more(buffer_, room_for_head());
            if (!has_more)
                break;
            if (std::exchange(is_idle_, false))
                extend(limits_.head);
            head = parse_request_head(buffer_);
        }
        if (!head) {
            co_await refuse_malformed(head.error());
            break;
        }
        if (!*head)
            break;
        is_idle_ = false;
        extend(limits_.write_stall);
        // The head's views point into the buffer, which nothing touches until it is answered.
        const std::size_t used = (**head).head_bytes;
        goes_on = co_await respond(**head);
        if (is_leaving_)
            co_return;
        if (goes_on)
            buffer_.erase(0, used);
    }
    const bool has_unread_input = !buffer_.empty();
    co_await finish(has_unread_input);
}

Async<void> Connection::finish(bool has_unread_input)
{
    if (is_closed_)
        co_return;
    if (tls_)
        tls_->close();
    if (::shutdown(socket_.native_handle(), SHUT_WR) != 0 || !has_unread_input)
        co_return;
    // Unread input makes the kernel send a reset that may overtake our answer: take it in first.
    extend(std::chrono::seconds(2));
    buffer_.resize(kReadChunk);
    for (int rounds = 0; rounds < 64; ++rounds) {
        const ssize_t got = ::recv(socket_.native_handle(), buffer_.data(), buffer_.size(), 0);
        if (got == 0 || (got < 0 && errno != EINTR && !would_block(errno)))
            break;
        if (got > 0)
            continue;
        const bool is_ready = co_await wait_readable();
        if (!is_ready)
            break;
    }
}

}  // namespace aptward::http
