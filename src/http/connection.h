// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// One client connection on its loop. Private to http/.

#include <asio/posix/basic_stream_descriptor.hpp>
#include <list>
#include <string>
#include <thread>
#include <unordered_map>

#include "http/server.h"
#include "http/tls.h"

namespace aptward::http {

using Socket = asio::posix::basic_stream_descriptor<Executor>;

/// What comes behind some bytes: `later` and `at_once` keep the kernel from sending a packet that
/// is not full; with TLS, `at_once` also waits for the next bytes, to share their record.
enum class Follows { nothing, later, at_once };

/// What the kernel may hold of an answer that its client does not read yet. Without a limit that is
/// 4 MB, and 500 slow readers put every TCP socket of the machine under memory pressure: measured,
/// another client's p99 went from 10 ms to 3 s (R18). Enough for 100 ms at 40 Mbit/s.
inline constexpr int kUnsentBytes = 512 << 10;

/// Who answers what a listener brings.
struct Loops::Responder {
    Handler handler;
    Shortcut* shortcut = nullptr;
    std::atomic<bool> is_closing = false;  // set once, by any thread
};

/// A listener of the first loop.
struct Loops::Acceptor {
    Acceptor(const Executor& loop, Listening from, Handler handler, Shortcut* shortcut);

    Listening listening;  // without its socket
    Socket socket;
    const std::shared_ptr<Responder> responder;
};

/// The "Date: ...\r\n" of this second.
std::string_view date_line();

/// A client with what it has said so far that nobody has answered: goes from loop to loop.
struct Session {
    Fd socket;
    Principal principal;
    ServerLimits limits;
    std::shared_ptr<const Door> door;  ///< Null: a plain listener that admits everybody.
    std::shared_ptr<const Loops::Responder> responder;
    std::unique_ptr<TlsSession> tls = nullptr;  ///< Null: plain, or still before the door.
    std::string received = {};
    std::uint64_t requests = 0, written_bytes = 0;
    bool is_inside = false;  ///< It has passed the door, if there is one.
};

/// The socket of one client with its deadline. All waiting goes through here, so that the loop's
/// watchdog can end whatever takes too long.
class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(const Loops::Loop& loop, Session session);
    ~Connection();

    Async<void> run();
    /// After run(): its request belongs to another loop, which takes what release() gives.
    bool is_leaving() const { return is_leaving_; }
    Session release();

    /// Sends all of it.
    Async<bool> write(std::string_view bytes, Follows follows);
    /// A head and its body in one system call.
    Async<bool> write_both(std::string_view head, std::string_view body);
    Async<bool> write_file(int fd, std::uint64_t first, std::uint64_t count);
    /// Appends at least one byte to `to`; false at the end, on errors and after the deadline.
    Async<bool> read_more(std::string& to, std::size_t at_most);
    Async<bool> wait_readable();
    Async<bool> wait_writable();

    /// Watchdog and stop: ends whatever the connection waits for.
    void close_now();
    void reset();
    bool is_past(SteadyTime now) const { return now >= deadline_; }
    bool is_idle() const { return is_idle_; }
    /// Its listener has been closed.
    bool is_closing() const { return responder_->is_closing.load(std::memory_order_relaxed); }
    /// And so must it be; one whose first request is still on its way gets an answer before.
    bool is_unwanted() const { return is_closing() && is_idle_ && written_bytes_ > 0; }
    void set_idle(bool is_idle) { is_idle_ = is_idle; }
    void extend(std::chrono::seconds time) { deadline_ = steady_now() + time; }

    std::string& buffer() { return buffer_; }
    Socket& socket() { return socket_; }
    const Principal& principal() const { return principal_; }
    const ServerLimits& limits() const { return limits_; }
    bool& must_close() { return must_close_; }
    /// Bytes that the kernel took for this client, of heads and bodies.
    std::uint64_t written_bytes() const { return written_bytes_; }
    bool is_http_10() const { return is_http_10_; }
    /// A file could not be read to the end that was announced.
    bool is_file_unreadable() const { return is_file_unreadable_; }

private:
    std::size_t room_for_head() const
    {
        return kMaxHeadBytes + 4 - std::min(buffer_.size(), kMaxHeadBytes);
    }
    /// Gives one request its answer; false ends the connection.
    Async<bool> respond(const RequestHead& head);
    Async<bool> answer_one(const RequestHead& head, const Principal& principal);
    Async<bool> is_admitted(const RequestHead& head, std::optional<Principal>& to);
    std::optional<ReadyAnswer> find_ready(const RequestHead& head, const Principal& principal);
    Async<bool> send_ready(const ReadyAnswer& answer, const Principal& principal);
    Async<void> refuse(Answer answer, std::string why);
    Async<void> refuse_malformed(const Error& error);
    Async<void> refuse_stranger(const Admission& admission, const RequestHead& head,
                                const Error& error);
    bool put_some(std::string_view& head, std::string_view& body);
    void fit_queue(SteadyTime::duration waited);
    /// The TLS handshake, where the door has TLS.
    Async<bool> open_door();
    Async<void> finish(bool has_unread_input);

    Async<bool> wait_for(TlsSession::Wait wait);
    Async<bool> read_tls(std::string& to, std::size_t at_most);
    Async<bool> write_tls(std::string_view bytes, Follows follows);
    /// `counted` bytes in front are in written_bytes() already.
    Async<bool> push_tls(std::string_view bytes, std::size_t counted);
    Async<bool> write_file_tls(int fd, std::uint64_t first, std::uint64_t count);
    Async<bool> write_file_by_kernel(int fd, std::uint64_t first, std::uint64_t count);

    const Loops::Loop& loop_;
    Socket socket_;
    Principal principal_;
    ServerLimits limits_;
    std::shared_ptr<const Door> door_;
    std::shared_ptr<const Loops::Responder> responder_;
    std::unique_ptr<TlsSession> tls_;  // null: plain
    std::string held_back_;            // TLS: waits for the bytes that share its record
    SteadyTime deadline_;
    std::string buffer_;
    std::uint64_t requests_, written_bytes_;
    bool is_inside_;
    bool is_leaving_ = false;
    bool is_idle_ = true;
    bool is_fast_ = false;
    bool is_closed_ = false;
    bool must_close_ = false;
    bool is_http_10_ = false;
    bool is_file_unreadable_ = false;
};

/// One thread and its connections.
class Loops::Loop {
public:
    enum class Kind { front, aside };

    Loop(Loops& all, Kind kind);
    ~Loop();

    Executor executor() const { return io_.get_executor(); }
    /// Any thread.
    void add(Session session);
    bool is_aside() const { return kind_ == Kind::aside; }
    bool is_for(const Target& target) const
    {
        return all_.is_aside_ == nullptr || all_.is_aside_(target) == is_aside();
    }
    /// Any thread.
    std::size_t load() const { return load_.load(std::memory_order_relaxed); }
    void stop(SteadyTime deadline);
    void join();
    void clear() { io_.clear(); }

private:
    struct Context : asio::io_context {
        using asio::io_context::io_context;
        // What waits is destroyed; the timers it held are still welcome afterwards.
        void clear() { shutdown(); }
    };

    void run();
    Async<void> watch();
    void leave(const Principal& principal);
    Async<void> live(std::shared_ptr<Connection> connection);

    Loops& all_;
    const Kind kind_;
    mutable Context io_{1};
    asio::executor_work_guard<Executor> work_;
    std::list<std::weak_ptr<Connection>> connections_;  // on the loop
    std::atomic<std::size_t> load_ = 0;
    std::atomic<bool> is_stopping_ = false;
    SteadyTime stop_deadline_;  // on the loop, once stopping
    std::thread thread_;
};

/// Connections by client address, over all loops; touched when one opens and closes.
class AddressCount {
public:
    bool enter(const std::string& address, std::size_t limit);
    void leave(const std::string& address);

private:
    std::mutex mutex_;
    std::unordered_map<std::string, std::size_t> counts_;
};
AddressCount& address_count();

}  // namespace aptward::http
