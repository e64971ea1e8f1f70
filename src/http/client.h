// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The outgoing client: libcurl's multi interface in a thread of its own.
//
// Everything but post() and the constructor runs on that thread, including the receivers' calls;
// fetch/ keeps its state machines there, without locks. Redirects are not followed here: fetch/
// judges each one (A18).

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"

namespace aptward::http {

/// The head of an upstream's answer: the few fields anybody here believes, all hostile.
struct UpstreamHead {
    int status = 0;
    std::optional<std::uint64_t> content_length;
    std::optional<std::uint64_t> range_first, range_total;  ///< From Content-Range of a 206.
    std::string last_modified, etag, location, content_type;
    std::optional<std::uint64_t> progress;  ///< Of a 102: Aptward-Progress.
    std::string transfer_codings;  ///< Of all Transfer-Encoding lines, each with a ',' in front.
};

/// How a transfer ended.
struct TransferEnd {
    enum class Reason {
        complete,      ///< The whole body came, as its framing says.
        refused,       ///< No connection: refused, unreachable, TLS failure.
        not_resolved,  ///< The host has no address.
        timed_out,     ///< Connecting took too long.
        truncated,     ///< The connection ended inside the body.
        protocol,      ///< Not HTTP, or over a limit on heads.
        forbidden,     ///< The address may not be contacted (A19).
        stopped,       ///< The receiver had enough.
    };
    Reason reason = Reason::complete;
    std::string message;  ///< One sentence; no credentials.
};

/// Gets one transfer's events on the fetch thread.
class Receiver {
public:
    virtual ~Receiver() = default;
    /// It is being worked on (102): any number of times before the head.
    virtual void on_sign(const UpstreamHead& /*head*/) {}
    /// False ends the transfer (`stopped`). Called once, before any body.
    virtual bool on_head(const UpstreamHead& head) = 0;
    virtual bool on_body(std::string_view bytes) = 0;
    /// The last call. The receiver may be destroyed in it.
    virtual void on_end(const TransferEnd& end) = 0;
};

/// What a put sends: a text, or the first bytes of a file. Reading it may block the fetch thread:
/// whoever sends files has a Client of their own.
struct UpstreamBody {
    std::string text;
    std::shared_ptr<const Fd> file;  ///< Instead of the text; or null.
    std::uint64_t file_bytes = 0;
};

struct UpstreamRequest {
    enum class Method { get, head, put, remove };
    std::string url;  ///< http or https
    Method method = Method::get;
    UpstreamBody body;                      ///< Of a put.
    std::uint64_t most_bytes_per_s = 0;     ///< Of a body that is sent; 0: no limit.
    std::optional<std::uint64_t> from;      ///< Range: bytes=from-
    std::vector<std::string> header_lines;  ///< "If-None-Match: ..."
    std::string proxy;                      ///< Outgoing proxy for this source; empty: none
    std::string ca;              ///< Certificate authorities of this source; empty: the system's
    std::string user, password;  ///< Basic credentials of the source; never logged
    bool may_use_private_addresses = true;  ///< False for redirect targets (A18, A19)
    std::chrono::milliseconds connect_limit{8000};
};

class Client {
public:
    Client();
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Any thread: runs `job` on the fetch thread. After stop() it is destroyed without having run.
    void post(std::function<void()> job);

    using TransferId = std::uint64_t;
    /// `receiver` lives until its on_end.
    TransferId start(UpstreamRequest request, std::shared_ptr<Receiver> receiver);
    /// The receiver's on_end is not called any more. Unknown ids are ignored.
    void cancel(TransferId id);
    /// Runs `job` on the fetch thread at `time` or a little later.
    void at(SteadyTime time, std::function<void()> job);

    /// Ends the thread; running transfers are dropped without on_end.
    void stop();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Whether an address (IPv4 or IPv6 text) is loopback, link-local, private, shared, multicast,
/// unspecified or a cloud's metadata service: what a stranger may not make the node contact.
bool is_private_address(const std::string& address);

}  // namespace aptward::http
