// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Many files fetched through the Fetcher, several at a time: what a job does. Private to archive/.

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "archive/archive.h"

namespace aptward::archive {

/// How fast fetches go together, on average. One loop, but for set_rate().
class Pace {
public:
    explicit Pace(std::uint64_t bytes_per_s = 0) : bytes_per_s_(bytes_per_s) {}
    /// 0: as fast as it comes. Any thread.
    void set_rate(std::uint64_t bytes_per_s) { bytes_per_s_ = bytes_per_s; }
    bool may_start() const;
    void note_started(std::uint64_t bytes);

private:
    std::atomic<std::uint64_t> bytes_per_s_;
    SteadyTime free_at_{};  // what has started is through by then
};

class MassFetch : public std::enable_shared_from_this<MassFetch> {
public:
    struct Options {
        std::size_t count = 0;
        std::function<fetch::Want(std::size_t)> want;  ///< Of each number below count.
        std::shared_ptr<Pace> pace;  ///< May be shared; null: as fast as it comes.
    };
    struct Failure {
        std::size_t number;
        Error error;
    };

    MassFetch(std::shared_ptr<Archive> archive, fetch::Fetcher& fetcher, Options options)
        : archive_(std::move(archive)), fetcher_(fetcher), options_(std::move(options))
    {
    }

    /// Fetches all, and at the end once more what failed. Control loop, or any other.
    /// Fails with storage when the state folder takes no more, unavailable when nothing comes any
    /// more; what a few sources lack is in failures().
    http::Task<void> run();

    /// Ends run() soon. Any thread.
    void stop() { must_stop_ = true; }
    /// Bytes that came. Any thread.
    std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
    /// Files that are stored. Any thread.
    std::uint64_t stored() const { return stored_.load(std::memory_order_relaxed); }
    /// After run().
    const std::vector<Failure>& failures() const { return failures_; }

private:
    struct Flying {
        std::size_t number;
        std::shared_ptr<fetch::Flight> flight;
    };

    http::Task<void> fetch_all(std::vector<std::size_t> numbers);
    bool may_start(std::size_t running) const;
    Result<void> look_at(const Flying& flying);
    Result<std::size_t> look_at_all();

    const std::shared_ptr<Archive> archive_;
    fetch::Fetcher& fetcher_;
    const Options options_;
    std::vector<Flying> flying_;
    std::vector<Failure> failures_;
    std::size_t failures_in_a_row_ = 0;
    std::uint64_t landed_bytes_ = 0;
    std::atomic<bool> must_stop_ = false;
    std::atomic<std::uint64_t> bytes_ = 0, stored_ = 0;
};

}  // namespace aptward::archive
