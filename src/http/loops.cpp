// SPDX-License-Identifier: GPL-3.0-or-later
// Threads, accepting and the watchdog.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <exception>
#include <limits>
#include <system_error>

#include "base/background.h"
#include "base/log.h"
#include "http/connection.h"

namespace aptward::http {
namespace {

constexpr int kBulk = 2;  // TC_PRIO_BULK of linux/pkt_sched.h

Principal principal_of(int socket, bool is_local_socket)
{
    Principal principal;
    principal.is_local_socket = is_local_socket;
    if (is_local_socket) {
        ::ucred credentials{};
        ::socklen_t size = sizeof credentials;
        ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size);
        principal.uid = credentials.uid;
        principal.address = "unix";
        return principal;
    }
    ::sockaddr_storage address{};
    ::socklen_t size = sizeof address;
    char text[INET6_ADDRSTRLEN] = "";
    // POSIX hands addresses over in this form; memcpy keeps the aliasing rules.
    if (::getpeername(socket, static_cast<::sockaddr*>(static_cast<void*>(&address)), &size) == 0) {
        if (address.ss_family == AF_INET) {
            ::sockaddr_in v4{};
            std::memcpy(&v4, &address, sizeof v4);
            ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        } else {
            ::sockaddr_in6 v6{};
            std::memcpy(&v6, &address, sizeof v6);
            ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        }
    }
    principal.address = text;
    if (principal.address.rfind("::ffff:", 0) == 0)
        principal.address.erase(0, 7);
    return principal;
}

void set_tcp_options(int socket)
{
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentBytes, sizeof kUnsentBytes);
}

bool is_loopback(const std::string& address)
{
    return address.rfind("127.", 0) == 0 || address == "::1" || address == "unix";
}

}  // namespace

bool AddressCount::enter(const std::string& address, std::size_t limit)
{
    const std::lock_guard lock(mutex_);
    std::size_t& count = counts_[address];
    if (count >= limit)
        return false;
    ++count;
    return true;
}

void AddressCount::leave(const std::string& address)
{
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(address);
    if (found != counts_.end() && --found->second == 0)
        counts_.erase(found);
}

AddressCount& address_count()
{
    static AddressCount instance;
    return instance;
}

Loops::Loop::Loop(Loops& all, Kind kind) : all_(all), kind_(kind), work_(io_.get_executor())
{
    spawn(io_.get_executor(), "watchdog", watch());
    thread_ = std::thread([this] {
        if (is_aside())
            step_back();
        run();
    });
}

Loops::Loop::~Loop()
{
    join();
}

// An exception that leaves a task is exhausted memory or descriptors (R11, R12): what it was doing
// is lost, the loop's other clients are not.
void Loops::Loop::run()
{
    for (;;) {
        try {
            io_.run();
            return;
        } catch (const std::exception& error) {
            log_error("loop.exception", {}, error.what());
        }
    }
}

void Loops::Loop::join()
{
    work_.reset();
    io_.stop();
    if (thread_.joinable())
        thread_.join();
}

// One timer per loop instead of one per connection: a deadline is a number to compare.
Async<void> Loops::Loop::watch()
{
    for (;;) {
        const std::chrono::milliseconds pause(is_stopping_ ? 20 : 500);
        co_await sleep_until(steady_now() + pause);
        const SteadyTime now = steady_now();
        for (auto it = connections_.begin(); it != connections_.end();) {
            const auto connection = it->lock();
            if (!connection) {
                it = connections_.erase(it);
                continue;
            }
            const bool is_over = connection->is_unwanted() ||
                                 (is_stopping_ && (connection->is_idle() || now >= stop_deadline_));
            if (is_over || connection->is_past(now))
                connection->close_now();
            ++it;
        }
    }
}

Async<void> Loops::Loop::live(std::shared_ptr<Connection> connection)
{
    // Counted out also when the session ends by an exception.
    const struct Leaving {
        ~Leaving() { loop.leave(principal); }
        Loop& loop;
        const Principal principal;
    } leaving{*this, connection->principal()};
    co_await connection->run();
    if (connection->is_leaving())
        all_.hand_over(connection->release(), !is_aside());
}

void Loops::Loop::leave(const Principal& principal)
{
    if (!is_loopback(principal.address))
        address_count().leave(principal.address);
    load_.fetch_sub(1, std::memory_order_relaxed);
    all_.connections_.fetch_sub(1, std::memory_order_relaxed);
}

void Loops::Loop::add(Session session)
{
    load_.fetch_add(1, std::memory_order_relaxed);
    all_.connections_.fetch_add(1, std::memory_order_relaxed);
    auto shared_session = std::make_shared<Session>(std::move(session));
    asio::post(io_, [this, shared_session] {
        const Principal principal = shared_session->principal;
        std::shared_ptr<Connection> connection;
        try {
            connection = std::make_shared<Connection>(*this, std::move(*shared_session));
            connections_.push_back(connection);
        } catch (...) {
            leave(principal);
            throw;
        }
        spawn(io_.get_executor(), "client " + principal.address, live(std::move(connection)));
    });
}

void Loops::Loop::stop(SteadyTime deadline)
{
    asio::post(io_, [this, deadline] {
        stop_deadline_ = deadline;
        is_stopping_ = true;
    });
}

Loops::Loops(unsigned count, IsAside is_aside) : is_aside_(is_aside)
{
    for (unsigned i = 0; i < std::max(1U, count); ++i)
        loops_.push_back(std::make_unique<Loop>(*this, Loop::Kind::front));
    if (is_aside_ != nullptr) {
        loops_.push_back(std::make_unique<Loop>(*this, Loop::Kind::aside));
        aside_ = loops_.back().get();
    }
}

Loops::~Loops()
{
    join();
    clear();
}

void Loops::join()
{
    for (const auto& loop : loops_)
        loop->join();
}

void Loops::clear()
{
    for (const auto& loop : loops_)
        loop->clear();
}

void Loops::on_each(const std::function<void()>& job)
{
    for (const auto& loop : loops_)
        asio::post(loop->executor(), job);
}

std::size_t Loops::connections() const
{
    return connections_.load(std::memory_order_relaxed);
}

Loops::Loop& Loops::least_loaded() const
{
    const auto end = aside_ == nullptr ? loops_.end() : loops_.end() - 1;
    return **std::min_element(loops_.begin(), end,
                              [](const auto& a, const auto& b) { return a->load() < b->load(); });
}

void Loops::hand_over(Session session, bool to_aside)
{
    // Behind what the others send, where the network's queue has bands (pfifo_fast, prio).
    const int priority = to_aside ? kBulk : 0;
    ::setsockopt(session.socket.get(), SOL_SOCKET, SO_PRIORITY, &priority, sizeof priority);
    if (!session.principal.is_local_socket)
        set_tcp_options(session.socket.get());
    const std::string& address = session.principal.address;
    if (!is_loopback(address))
        address_count().enter(address, std::numeric_limits<std::size_t>::max());
    Loop& loop = to_aside ? *aside_ : least_loaded();
    loop.add(std::move(session));
}

Executor Loops::executor() const
{
    return loops_.front()->executor();
}

Loops::Acceptor::Acceptor(const Executor& loop, Listening from, Handler handler, Shortcut* shortcut)
    : listening(std::move(from)),
      socket(loop, listening.socket.release()),
      responder(std::make_shared<Responder>(std::move(handler), shortcut))
{
}

void Loops::Served::close()
{
    const auto acceptor = acceptor_.lock();
    if (!acceptor)
        return;
    acceptor->responder->is_closing = true;
    asio::post(acceptor->socket.get_executor(), [weak = acceptor_] {
        asio::error_code ignored;
        if (const auto closing = weak.lock())
            closing->socket.cancel(ignored);
    });
}

Loops::Served Loops::serve(Listening listening, Handler handler, ServerLimits limits,
                           Shortcut* shortcut)
{
    std::string name = "listener " + listening.name;
    const Executor loop = loops_.front()->executor();
    auto acceptor =
        std::make_shared<Acceptor>(loop, std::move(listening), std::move(handler), shortcut);
    Served served(acceptor);
    spawn(loop, std::move(name), accept(std::move(acceptor), limits));
    return served;
}

Async<void> Loops::accept(std::shared_ptr<Acceptor> acceptor, ServerLimits limits)
{
    Socket& listening = acceptor->socket;
    const Listening& about = acceptor->listening;
    asio::error_code error;
    listening.non_blocking(true, error);
    bool has_complained = false;
    while (!is_stopping_) {
        Fd socket(
            ::accept4(listening.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (acceptor->responder->is_closing)
                co_return;  // whoever had come is in
            co_await listening.async_wait(Socket::wait_read,
                                          asio::redirect_error(kUseAsync, error));
            continue;
        }
        if (!socket && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (!socket) {
            // Out of descriptors or memory (R12): wait for connections to end; never spin.
            if (!std::exchange(has_complained, true))
                log_error("listener.exhausted", {{"listener", about.name}},
                          fmt::format("no new connections: {}; if descriptors are short, raise "
                                      "LimitNOFILE",
                                      std::generic_category().message(errno)));
            co_await sleep_until(steady_now() + std::chrono::milliseconds(100));
            continue;
        }
        has_complained = false;
        if (connections() >= limits.connections)
            continue;
        Principal principal = principal_of(socket.get(), about.is_local_socket);
        if (!is_loopback(principal.address) &&
            !address_count().enter(principal.address, limits.connections_per_address))
            continue;
        if (!about.is_local_socket)
            set_tcp_options(socket.get());
        least_loaded().add(
            {std::move(socket), std::move(principal), limits, about.door, acceptor->responder});
    }
}

void Loops::stop(std::chrono::milliseconds grace)
{
    is_stopping_ = true;
    const SteadyTime deadline = steady_now() + grace;
    for (const auto& loop : loops_)
        loop->stop(deadline);
    while (connections() > 0 && steady_now() < deadline + std::chrono::milliseconds(200))
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

}  // namespace aptward::http
