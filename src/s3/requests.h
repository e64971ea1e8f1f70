// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Requests to one bucket, by a client and a thread of their own: a file that is read cold for its
// upload blocks nobody's fetch. Control loop, but for open() and stop().

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "fetch/fetch.h"
#include "http/client.h"
#include "http/task.h"
#include "s3/health.h"
#include "s3/listing.h"
#include "s3/service_error.h"
#include "s3/sign.h"

namespace aptward::s3 {

/// One [[blob-service]].
struct Settings {
    std::string url;     ///< "https://s3.example:9000", no trailing slash
    std::string bucket;  ///< Addressed by path: it is no part of the host.
    std::string prefix;  ///< Before the names of all objects; empty, or with a slash at its end.
    std::string region = "us-east-1";
    Credentials credentials;
    std::string ca;  ///< As fetch::SourceSettings has it.
    bool is_uploaded_to = true;
    std::uint64_t upload_rate_bytes_per_s = 0;  ///< 0: as fast as it takes them.
    /// What no node has needed for so long is deleted; 0: nothing is listed or deleted.
    std::chrono::seconds delete_after{0};
    bool is_dry_run = false;  ///< It is only told what would be deleted.
};

struct Target {
    Settings settings;
    fetch::SourcePtr source;
};
using TargetPtr = std::shared_ptr<const Target>;

/// Whether it says that the object is not there, in its own way. Any thread.
bool lacks(const Target& target, const Answer& answer);

/// What a request waits for beside the time that its bytes take.
inline constexpr std::chrono::seconds kAnswerLimit{20};

class Requests {
public:
    using Method = http::UpstreamRequest::Method;

    /// Any thread; needed before the first request. Nothing when it is open, or was stopped.
    void open();
    /// Any thread. What is under way is never answered.
    void stop();

    /// A signed request for one object, without a body.
    static http::UpstreamRequest request_for(const Target& target, Method method,
                                             std::string_view key);
    /// A put of these bytes.
    static http::UpstreamRequest put_request(const Target& target, std::string_view key,
                                             std::string text);
    /// A put of the first bytes of a file, which the service checks against the digest.
    static http::UpstreamRequest put_request(const Target& target, std::string_view key,
                                             std::shared_ptr<const Fd> file, const Digest& digest);

    /// A longer body than `most_bytes` is a failure.
    http::Async<Answer> ask(http::UpstreamRequest request, std::size_t most_bytes,
                            std::chrono::seconds limit);
    http::Async<Answer> ask(http::UpstreamRequest request);

    /// What begins with `prefix`, below the target's own, from the key `after` on; keys without the
    /// target's prefix, in ascending order. Fails with unavailable, saying why.
    http::Task<Listing> list(TargetPtr target, std::string prefix, std::string after);

private:
    struct Asked;

    std::mutex mutex_;  // guards the making and the end of the client
    std::unique_ptr<http::Client> client_;
    bool is_stopped_ = false;
};

}  // namespace aptward::s3
