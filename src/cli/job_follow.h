// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Watching a job of the running node. Private to cli/.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace aptward::cli {

/// One line that is drawn over: "[####......] 1.2 GB of 3.0 GB, 20 MB/s, 90 s left". Only when
/// standard error is a terminal.
/// A rate of 0 is not known: neither it nor the time that is left is told.
class ProgressLine {
public:
    ProgressLine();
    ~ProgressLine();
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    void show(std::uint64_t done, std::uint64_t total, std::uint64_t rate_per_s);

private:
    const bool is_shown_;
    std::size_t width_ = 0;  // of what stands there now
};

/// A ProgressLine for work that is done here, drawn a few times a second.
class PacedProgress {
public:
    void show(std::uint64_t done, std::uint64_t total);

private:
    ProgressLine line_;
    const SteadyTime started_ = steady_now();
    SteadyTime shown_ = started_;
};

/// A job that the node was asked for.
struct AskedJob {
    std::int64_t id = 0;  ///< 0: the node does not do it.
    int status = 0;       ///< Of its answer: 400 and 404 are for mistakes.
    std::string why;      ///< Its sentence, when it does not.
};
/// `request`: JSON with the kind and what that takes. Fails with unavailable when no node answers.
Result<AskedJob> ask_for_job(const std::string& admin, const std::string& request);
/// Says where a job that nobody waits for is to be watched.
void print_started(std::int64_t id, bool is_json);

/// How a followed job ended.
struct JobEnd {
    std::string state, message;
    std::string result;  ///< JSON
};

/// Watches job `id` until it is over; `is_json` prints it as a line of JSON whenever it moved on.
/// Ctrl-C only stops watching: fails with stale. Fails with unavailable when the node goes away.
Result<JobEnd> follow_job(const std::string& admin, std::int64_t id, bool is_json);

/// Asks the node for a job and watches it to its end. `status`: kOk when that was reached; else
/// what kept it from there was told on standard error.
struct RanJob {
    int status = 0;
    JobEnd end;
};
RanJob run_job(const std::string& admin, const std::string& request, bool is_json);

}  // namespace aptward::cli
