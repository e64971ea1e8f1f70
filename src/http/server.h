// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The HTTP/1.1 server: loops, listeners, and the exchange that a handler answers.
//
// One loop is one thread; a connection lives and dies on its loop. A client can cost a bounded
// amount of memory and time and nothing else: see ServerLimits.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "http/message.h"
#include "http/principal.h"
#include "http/task.h"

namespace aptward::http {

struct ServerLimits {
    std::size_t connections = 20'000;             ///< Over all listeners; more are closed at once.
    std::size_t connections_per_address = 2'000;  ///< Not for loopback or Unix sockets.
    std::chrono::seconds idle{75};                ///< Between requests.
    std::chrono::seconds head{15};                ///< For one request head once it began.
    std::chrono::seconds write_stall{60};         ///< Without one byte accepted by the client.
    std::uint64_t requests_per_connection = 100'000;
};

/// An answer's head. Date, Connection and Content-Length are added by the exchange.
struct Answer {
    explicit Answer(int status_code) : status(status_code) {}

    Answer& header(std::string_view name, std::string_view value);
    Answer& type(std::string_view media_type) { return header("Content-Type", media_type); }

    int status;
    std::string_view reason;   ///< A literal; empty: the standard phrase
    std::string header_lines;  ///< "Name: value\r\n", each
    bool close = false;        ///< Close the connection after this answer.
};

/// A whole 200 answer that is at hand, to be sent without asking anybody.
struct ReadyAnswer {
    std::string_view head;  ///< As head_of() makes it.
    std::string_view body;  ///< Used when there is no file.
    int file = -1;          ///< All of it is the body.
    std::uint64_t file_bytes = 0;
    std::shared_ptr<const void> head_owner, body_owner;  ///< Keep the rest alive.
};

/// How a ReadyAnswer went out.
struct ReadySent {
    std::uint64_t body_bytes = 0;  ///< That the kernel took.
    bool is_complete = false;
    bool is_file_unreadable = false;  ///< Not complete because of the file, not of the client.
};

/// The status line and the headers of `answer` but for Date, Connection and the empty line.
std::string head_of(const Answer& answer, std::optional<std::uint64_t> content_length);

/// What a server asks before it asks its handler: a hit then costs no coroutine. Both are called on
/// the client's loop and never block. The client was admitted; the request is a well-formed
/// HTTP/1.1 one without a body that leaves the connection open.
class Shortcut {
public:
    virtual ~Shortcut() = default;
    virtual std::optional<ReadyAnswer> find(const RequestHead& head,
                                            const Principal& principal) = 0;
    /// After the answer that find() gave.
    virtual void sent(const ReadyAnswer& answer, const Principal& principal, ReadySent how) = 0;
};

class Connection;
struct RequestBody;

/// One request and its answer. A handler sends exactly one answer, or aborts.
/// The bool that sending gives back is false when the client is gone; then only return.
class Exchange {
public:
    Exchange(Connection& connection, const RequestHead& head, const Target& target,
             const Principal& principal);
    ~Exchange();

    const RequestHead& head() const { return head_; }
    const Target& target() const { return target_; }
    const Principal& principal() const { return principal_; }

    /// A header of whatever answer is sent.
    void add_header(std::string_view name, std::string_view value);

    /// A whole answer from memory. HEAD gets the head only.
    Async<bool> send(Answer answer, std::string_view body);

    /// A whole answer of `count` bytes of a file, by sendfile.
    Async<bool> send_file(Answer answer, int fd, std::uint64_t first, std::uint64_t count);

    /// A sign that the answer is being worked on (102, RFC 2518 10.1), with these header lines,
    /// each with its line end. Nothing for HTTP/1.0.
    Async<bool> send_interim(std::string header_lines);

    /// A head that announces `count` bytes, for the caller to send with send_part.
    Async<bool> begin(Answer answer, std::uint64_t count);
    Async<bool> send_part(int fd, std::uint64_t first, std::uint64_t count);
    Async<bool> send_bytes(std::string_view bytes);

    /// An answer without known length: chunked for HTTP/1.1, ended by the connection's end for 1.0.
    /// Then any number of send_bytes, and end_stream.
    Async<bool> begin_stream(Answer answer);
    Async<bool> end_stream();

    /// Cuts the connection with a reset: the client must not take what it has for whole.
    void abort();

    /// From 1 to `at_most` further bytes of the request's body, or none at its end; the chunked
    /// coding is removed. Fails with malformed when the body is broken or larger than
    /// limit_body(), unavailable when the client stops sending. The memory it takes is `at_most`.
    Task<std::string> read_some(std::size_t at_most);
    void limit_body(std::uint64_t bytes) { body_limit_ = bytes; }

    /// The rest of the body. Fails as read_some does, with `limit_bytes` as a further limit.
    Task<std::string> read_body(std::size_t limit_bytes);

    /// Joins the client to an open connection until either side ends (CONNECT). `answer` is sent
    /// first. Counts the bytes of both directions.
    Async<void> tunnel(Answer answer, Fd upstream,
                       std::shared_ptr<std::atomic<std::uint64_t>> bytes);

    Connection& connection() { return connection_; }
    bool has_answered() const { return has_answered_; }
    /// After a failed send_file or send_part: it failed because of the file, not of the client.
    bool is_file_unreadable() const;
    bool has_open_stream() const { return has_open_stream_; }
    std::uint64_t sent_bytes() const { return sent_bytes_; }
    int status() const { return status_; }

private:
    std::string render(const Answer& answer, std::optional<std::uint64_t> content_length);
    Task<std::string> read_sized(std::size_t at_most);
    Task<std::string> read_chunked(std::size_t at_most);
    Async<bool> receive(std::string& to, std::size_t at_most);

    Connection& connection_;
    const RequestHead& head_;
    const Target& target_;
    const Principal& principal_;
    std::string added_lines_;            // of the head of the answer
    std::unique_ptr<RequestBody> body_;  // once somebody reads it
    std::uint64_t body_limit_ = std::uint64_t{1} << 20;
    bool has_answered_ = false;
    bool has_open_stream_ = false;
    bool is_chunked_ = false;
    bool is_muted_ = false;  // a stream in answer to HEAD
    int status_ = 0;
    std::uint64_t sent_bytes_ = 0;
};

using Handler = std::function<Async<void>(Exchange&)>;

/// A socket that listens: bound here, or inherited (socket activation).
struct Listening {
    Fd socket;
    std::string name;  ///< "127.0.0.1:3142", "unix:/run/aptward/admin": with the real port
    bool is_local_socket = false;
    std::shared_ptr<Door> door = nullptr;  ///< Null: plain, and everybody is a viewer.
};

/// Binds "ADDRESS:PORT", "[V6]:PORT" or "unix:PATH" (a stale socket file is replaced; mode 0666 is
/// fine because peer credentials decide). Port 0 takes a free one.
/// Fails with unavailable when the port is taken, storage for a path that cannot be made,
/// malformed for an address that is none.
Result<Listening> listen_on(const std::string& address);

/// Whether listen_on could take this text. Fails with malformed. Binds nothing.
Result<void> check_address(const std::string& address);

/// "127.0.0.1:3142" of a bound socket.
std::string name_of_socket(int socket);

/// Whether a request is answered aside: see Loops.
using IsAside = bool (*)(const Target& target);

struct Session;

/// The threads that run clients' sessions.
///
/// Some requests may be answered aside: on a loop of their own, which steps back behind the others,
/// so that a disk that is slow for them, or a processor that is busy with them, keeps no other
/// client waiting. A connection goes where the request belongs that it brings.
class Loops {
public:
    class Loop;
    struct Responder;
    struct Acceptor;

    /// A listener in service. Any thread, but not while the loops end; afterwards it does nothing.
    class Served {
    public:
        Served() = default;
        explicit Served(std::weak_ptr<Acceptor> acceptor) : acceptor_(std::move(acceptor)) {}

        /// Accepts nobody any more. Whoever had reached it gets the answer that it waits for, at
        /// most one, and "Connection: close" with it; idle connections end at once.
        void close();

    private:
        std::weak_ptr<Acceptor> acceptor_;
    };

    explicit Loops(unsigned count, IsAside is_aside = nullptr);
    ~Loops();
    Loops(const Loops&) = delete;
    Loops& operator=(const Loops&) = delete;

    /// Accepts on `listening` and answers with `handler` until close() or stop(); with `shortcut`
    /// first where one is given, which outlives the loops.
    Served serve(Listening listening, Handler handler, ServerLimits limits,
                 Shortcut* shortcut = nullptr);

    /// Stops accepting, lets running answers end for at most `grace`, then closes everything.
    void stop(std::chrono::milliseconds grace);

    /// Ends the threads: nothing runs on the loops any more. What waits there stays as it is, and
    /// signals of these loops may still be notified, to no effect.
    void join();
    /// After join(): destroys the coroutines that wait. They may hold signals of other loops, so of
    /// several Loops all are cleared before the first is destroyed.
    void clear();

    /// Runs `job` once on each loop, soon. Any thread; not after stop().
    void on_each(const std::function<void()>& job);

    std::size_t connections() const;
    /// Of the first loop.
    Executor executor() const;

private:
    Async<void> accept(std::shared_ptr<Acceptor> acceptor, ServerLimits limits);
    Loop& least_loaded() const;
    /// Where a client goes whose request belongs aside, or does not. Any loop.
    void hand_over(Session session, bool to_aside);
    std::vector<std::unique_ptr<Loop>> loops_;
    Loop* aside_ = nullptr;  // the last of them, when there is one; takes no new connections
    const IsAside is_aside_;
    std::atomic<std::size_t> connections_ = 0;  // never less than there are
    std::atomic<bool> is_stopping_ = false;
};

}  // namespace aptward::http
