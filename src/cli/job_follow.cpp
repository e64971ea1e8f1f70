// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/job_follow.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"

namespace aptward::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPause{200};  // between two looks at the progress
constexpr std::size_t kBarWidth = 20;

volatile std::sig_atomic_t is_detached = 0;

void detach(int)
{
    is_detached = 1;
}

}  // namespace

ProgressLine::ProgressLine() : is_shown_(::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine()
{
    if (width_ > 0)
        std::fputs("\n", stderr);
}

void ProgressLine::show(std::uint64_t done, std::uint64_t total, std::uint64_t rate_per_s)
{
    if (!is_shown_)
        return;
    const double part =
        total == 0 ? 0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    const auto full = static_cast<std::size_t>(part * static_cast<double>(kBarWidth));
    const std::string bar = std::string(full, '#') + std::string(kBarWidth - full, '.');
    std::string line = fmt::format("[{}] {} of {}", bar, human_size(done), human_size(total));
    const auto left = static_cast<std::int64_t>(total - std::min(done, total));
    if (rate_per_s > 0)
        line += fmt::format(", {}/s, {} left", human_size(rate_per_s),
                            human_seconds(left / static_cast<std::int64_t>(rate_per_s)));
    // Blanks cover what the line before had more.
    fmt::print(stderr, "\r{:<{}}", line, width_);
    width_ = line.size();
}

void PacedProgress::show(std::uint64_t done, std::uint64_t total)
{
    const SteadyTime now = steady_now();
    if (now - shown_ < kPause)
        return;
    shown_ = now;
    const double seconds = std::chrono::duration<double>(now - started_).count();
    line_.show(done, total, static_cast<std::uint64_t>(static_cast<double>(done) / seconds));
}

Result<AskedJob> ask_for_job(const std::string& admin, const std::string& request)
{
    TRY(const AdminAnswer answer, ask_admin(admin, "POST", "/api/v1/jobs", request));
    const auto job = nlohmann::json::parse(answer.body, nullptr, false);
    AskedJob asked;
    asked.status = answer.status;
    if (answer.status == 202 && job.is_object())
        asked.id = job.value("id", std::int64_t{0});
    else
        asked.why = answer.sentence();
    return asked;
}

void print_started(std::int64_t id, bool is_json)
{
    fmt::print("{}\n", is_json ? nlohmann::json({{"id", id}}).dump()
                               : fmt::format("job {}: aptward jobs show {}", id, id));
}

Result<JobEnd> follow_job(const std::string& admin, std::int64_t id, bool is_json)
{
    is_detached = 0;
    const auto before = std::signal(SIGINT, detach);
    ProgressLine line;
    std::string shown;
    for (;;) {
        const SteadyTime asked = steady_now();
        // It answers when the job is over, or after that time.
        const auto answer =
            ask_admin(admin, "GET", fmt::format("/api/v1/jobs/{}?wait={}", id, kPause.count()));
        if (!answer || answer->status != 200)
            return fail(Errc::unavailable,
                        fmt::format("the node no longer answers about job {}; it goes on when the "
                                    "node is started again",
                                    id));
        const auto job = nlohmann::json::parse(answer->body, nullptr, false);
        if (!job.is_object())
            return fail(Errc::malformed, "the node's answer about a job is no JSON object");
        const std::string state = job.value("state", "");
        const std::string text = job.dump();
        if (is_json && text != std::exchange(shown, text))
            fmt::print("{}\n", text);
        std::fflush(stdout);
        line.show(job.value("done", std::uint64_t{0}), job.value("total", std::uint64_t{0}),
                  job.value("rate", std::uint64_t{0}));
        if (state != "queued" && state != "running") {
            std::signal(SIGINT, before);
            return JobEnd{state, job.value("message", ""),
                          job.value("result", nlohmann::json()).dump()};
        }
        if (is_detached != 0)
            return fail(Errc::stale,
                        fmt::format("job {} goes on in the node: aptward jobs show {}", id, id));
        // One that does not know the wait would be asked all the time.
        std::this_thread::sleep_until(asked + kPause / 2);
    }
}

RanJob run_job(const std::string& admin, const std::string& request, bool is_json)
{
    const auto failed = [](const std::string& sentence, int status) {
        std::fprintf(stderr, "aptward: %s\n", sentence.c_str());
        return RanJob{status, {}};
    };
    const auto job = ask_for_job(admin, request);
    if (!job)
        return failed(job.error().message(), kUnknown);
    if (job->id == 0)
        return failed(job->why, kNo);
    auto end = follow_job(admin, job->id, is_json);
    if (!end)
        return failed(end.error().message(), kUnknown);
    return {kOk, std::move(*end)};
}

}  // namespace aptward::cli
