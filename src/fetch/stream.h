// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Bytes that nothing vouches for, on their way to clients: no digest, no blob, no name.
//
// One stream per archive and path, however many ask. It is spooled to an unnamed file, so that a
// slow client costs disk that vanishes with the stream, never memory.

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "fetch/source.h"
#include "http/task.h"

namespace aptward::fetch {

inline constexpr std::uint64_t kLargestStream = 8ULL << 30;

struct StreamRequest {
    std::string archive;
    std::string path;  ///< Percent-encoded, without leading slash.
    std::vector<SourcePtr> sources;
};

/// One unproven body on its way. Any thread reads; the fetch thread writes.
class Stream {
public:
    enum class Phase {
        asking,    ///< No source has given a byte yet: another one may still be asked.
        running,   ///< One source gives all of it.
        complete,  ///< As far as the source's framing tells.
        failed,
    };

    Phase phase() const { return phase_.load(std::memory_order_acquire); }
    bool is_over() const { return phase() == Phase::complete || phase() == Phase::failed; }
    std::uint64_t available() const { return available_.load(std::memory_order_acquire); }
    /// What the source announced; valid when `asking` is over.
    std::optional<std::uint64_t> size() const { return size_; }
    std::optional<SystemTime> modified() const { return modified_; }
    std::shared_ptr<const Fd> file() const { return file_.load(); }
    /// After `failed`: not_found when every source answered that it has no such file.
    std::shared_ptr<const Error> error() const { return error_.load(); }
    /// Wakes `signal` at every change until it or the stream ends. A stream that nobody follows
    /// any more ends by itself. Any thread.
    void follow(std::shared_ptr<http::Signal> signal);

private:
    friend class StreamRun;
    friend class Fetcher;
    std::size_t wake();

    std::atomic<Phase> phase_ = Phase::asking;
    std::atomic<std::uint64_t> available_ = 0;
    std::optional<std::uint64_t> size_;   // written before `asking` ends
    std::optional<SystemTime> modified_;  // likewise
    std::atomic<std::shared_ptr<const Fd>> file_;
    std::atomic<std::shared_ptr<const Error>> error_;
    std::mutex followers_mutex_;
    std::vector<std::weak_ptr<http::Signal>> followers_;
};

/// What a source says about the size of a file whose hash is known: `size` only sorts out which
/// sources agree, the hash decides.
struct Measured {
    SourcePtr source;
    std::uint64_t size_bytes = 0;
    bool is_open = false;  ///< Its breaker is open: it lied or failed lately.
};

struct Measurement {
    std::vector<Measured> sizes;
    std::size_t missing = 0;  ///< Sources that have no such file.
};

}  // namespace aptward::fetch
