// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// One GET from one source, redirects followed after judging them. Private to fetch/.

#include <functional>
#include <optional>
#include <string>

#include "fetch/source.h"
#include "http/client.h"

namespace aptward::fetch {

/// Events of one pull, on the fetch thread.
class PullEvents {
public:
    virtual ~PullEvents() = default;
    /// It is being worked on there, and so many bytes of it have come.
    virtual void on_sign(std::uint64_t /*bytes*/) {}
    /// Any final status. False ends the pull without another event.
    virtual bool on_head(const http::UpstreamHead& head) = 0;
    virtual bool on_body(std::string_view bytes) = 0;
    /// The whole body came.
    virtual void on_complete() = 0;
    virtual void on_fault(Fault fault, std::string message) = 0;
};

struct PullRequest {
    SourcePtr source;
    std::string path;  ///< Behind the source's URL, encoded, without leading slash.
    Digest digest;  ///< What is wanted; a source that is a file on this machine goes by it alone.
    std::optional<std::uint64_t> from;
    std::vector<std::string> header_lines;
    CredentialsPtr lent;     ///< Instead of the source's own; or null.
    bool is_checked = true;  ///< Whoever gets the body has it proven: a drill may lie.
};

class Pull : public std::enable_shared_from_this<Pull> {
public:
    /// `events` must outlive the pull, or stop() it.
    static std::shared_ptr<Pull> start(http::Client& client, PullRequest request,
                                       PullEvents& events);
    /// No event any more.
    void stop();
    const SourcePtr& source() const { return request_.source; }

private:
    struct Hop;
    Pull(http::Client& client, PullRequest request, PullEvents& events)
        : client_(client), request_(std::move(request)), events_(&events)
    {
    }
    void go(std::string url);
    void follow(const std::string& from_url, const std::string& location);

    // pull_local.cpp
    void read_on(std::uint64_t offset);
    void take_piece(std::uint64_t offset, const Result<std::string>& piece);

    // pull_disturbed.cpp: what a drill does
    bool take(std::string_view bytes);
    void wait_in_vain();
    bool keep(std::string_view bytes);
    void meet(const Disturbance& disturbance);
    void trickle_on();

    http::Client& client_;
    PullRequest request_;
    PullEvents* events_;
    http::Client::TransferId transfer_ = 0;
    int redirects_ = 0;
    std::optional<std::string> trickling_;  // what came, and has not been handed on yet
    bool has_all_ = false;                  // of a body that trickles
    bool has_met_ = false;                  // a disturbance
    bool is_home_ = true;                   // no redirect has left the source's own host yet
};

}  // namespace aptward::fetch
