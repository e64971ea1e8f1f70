// SPDX-License-Identifier: GPL-3.0-or-later
// The state machine of one unproven stream, on the fetch thread. Another source is asked only
// before the first byte: without a digest nothing says that two sources' bytes belong together.
#include "fetch/stream.h"

#include <fmt/format.h>

#include <set>

#include "fetch/fetch.h"
#include "fetch/pull.h"
#include "http/message.h"

namespace aptward::fetch {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTick{100};
constexpr milliseconds kNoByteBesideOthers{2500};  // another source is asked then
constexpr milliseconds kNoByteAlone{8000};
constexpr milliseconds kStall{20'000};       // apt gives up after 30 s
constexpr milliseconds kRateWindow{15'000};  // A11
constexpr double kSlowest = 1024;            // bytes/s over the window
constexpr milliseconds kNobody{3000};        // a stream without followers ends
constexpr std::size_t kMostStreams = 16;     // each may fill 8 GiB of the state's disk

}  // namespace

void Stream::follow(std::shared_ptr<http::Signal> signal)
{
    {
        const std::lock_guard lock(followers_mutex_);
        followers_.push_back(signal);
    }
    signal->notify();
}

// Gives back how many still follow.
std::size_t Stream::wake()
{
    const std::lock_guard lock(followers_mutex_);
    std::erase_if(followers_, [](const auto& follower) {
        const auto signal = follower.lock();
        if (signal)
            signal->notify();
        return !signal;
    });
    return followers_.size();
}

class StreamRun : public std::enable_shared_from_this<StreamRun> {
public:
    StreamRun(Fetcher& fetcher, std::shared_ptr<Stream> stream, StreamRequest request)
        : fetcher_(fetcher), stream_(std::move(stream)), request_(std::move(request))
    {
    }

    void start()
    {
        auto staged = fetcher_.blobs().stage();
        if (!staged)
            return end(Error(Errc::storage, staged.error().message()));
        stream_->file_.store(std::make_shared<const Fd>(std::move(*staged)));
        ask_next();
        tick();
    }

private:
    // Answers of a source that was given up are told apart by the attempt they belong to.
    struct Attempt : PullEvents {
        Attempt(StreamRun& owner, SourcePtr from) : run(owner), source(std::move(from)) {}
        bool on_head(const http::UpstreamHead& head) override { return run.on_head(head); }
        bool on_body(std::string_view bytes) override { return run.on_body(bytes); }
        void on_complete() override { run.on_complete(); }
        void on_fault(Fault fault, std::string message) override
        {
            run.fail(fault, std::move(message));
        }
        StreamRun& run;
        SourcePtr source;
        std::shared_ptr<Pull> pull;
        SteadyTime started = steady_now();
    };

    SourcePtr next_source() const
    {
        const SteadyTime now = steady_now();
        SourcePtr best;
        double best_score = 0;
        for (const SourcePtr& source : request_.sources) {
            if (tried_.count(source.get()) > 0)
                continue;
            const double score = source->rank(1 << 20, now);
            if (!best || score < best_score) {
                best = source;
                best_score = score;
            }
        }
        return best;
    }

    void ask_next()
    {
        const SourcePtr source = next_source();
        if (!source) {
            const bool is_absent = missing_ > 0 && missing_ == request_.sources.size();
            return end(Error(is_absent ? Errc::not_found : Errc::unavailable,
                             last_failure_.empty() ? "no source is configured" : last_failure_));
        }
        tried_.insert(source.get());
        attempt_ = std::make_unique<Attempt>(*this, source);
        PullRequest pull;
        pull.source = source;
        pull.path = request_.path;
        pull.is_checked = false;
        attempt_->pull = Pull::start(fetcher_.client(), std::move(pull), *attempt_);
    }

    bool on_head(const http::UpstreamHead& head)
    {
        attempt_->source->answered(
            std::chrono::duration_cast<milliseconds>(steady_now() - attempt_->started));
        if (head.status == 404 || head.status == 410)
            return fail(Fault::missing, fmt::format("it answered {}", head.status));
        if (head.status != 200)
            return fail(head.status >= 500 || head.status == 429 ? Fault::failing : Fault::denied,
                        fmt::format("it answered {}", head.status));
        if (head.content_length.value_or(0) > kLargestStream)
            return fail(Fault::protocol, "it offers more than 8 GiB");
        stream_->size_ = head.content_length;
        stream_->modified_ = http::parse_http_date(head.last_modified);
        last_progress_ = window_start_ = steady_now();
        return true;
    }

    bool on_body(std::string_view bytes)
    {
        if (written_ + bytes.size() > kLargestStream)
            return fail(Fault::protocol, "it sends more than 8 GiB");
        if (auto written = write_all_at(stream_->file()->get(), bytes, written_); !written) {
            end(Error(Errc::storage, written.error().message()));
            return false;
        }
        written_ += bytes.size();
        window_bytes_ += bytes.size();
        last_progress_ = steady_now();
        stream_->available_.store(written_, std::memory_order_release);
        if (stream_->phase() == Stream::Phase::asking)
            stream_->phase_.store(Stream::Phase::running, std::memory_order_release);
        stream_->wake();
        return true;
    }

    void on_complete()
    {
        attempt_->source->delivered(
            written_, std::chrono::duration_cast<milliseconds>(steady_now() - attempt_->started),
            Source::Proof::none);
        is_over_ = true;
        stream_->phase_.store(Stream::Phase::complete, std::memory_order_release);
        leave();
    }

    // Always false: what a callback gives back to end its transfer.
    bool fail(Fault fault, const std::string& message)
    {
        if (is_over_)
            return false;
        const SourcePtr source = attempt_->source;
        source->charge(fault, request_.path + ": " + message, steady_now());
        if (fault == Fault::missing)
            ++missing_;
        last_failure_ = fmt::format("{}: {}", source->url(), message);
        fetcher_.event(fmt::format("source.{}", to_string(fault)), request_.archive, source,
                       fmt::format("{}: {}", request_.path, message));
        retire();
        if (stream_->phase() == Stream::Phase::asking)
            ask_next();
        else
            end(Error(Errc::unavailable, last_failure_));
        return false;
    }

    void end(Error error)
    {
        is_over_ = true;
        retire();
        stream_->error_.store(std::make_shared<const Error>(std::move(error)));
        stream_->phase_.store(Stream::Phase::failed, std::memory_order_release);
        leave();
    }

    void leave()
    {
        fetcher_.drop(request_);
        stream_->wake();
    }

    void retire()
    {
        if (!attempt_)
            return;
        attempt_->pull->stop();
        retired_.push_back(std::move(attempt_));
    }

    void tick()
    {
        retired_.clear();  // timers run outside every callback
        if (is_over_) {
            if (attempt_)
                attempt_->pull->stop();
            attempt_.reset();
            return;
        }
        const SteadyTime now = steady_now();
        watch_followers(now);
        if (!is_over_)
            watch_source(now);
        fetcher_.client().at(now + kTick, [self = shared_from_this()] { self->tick(); });
    }

    void watch_followers(SteadyTime now)
    {
        if (stream_->wake() > 0)
            last_followed_ = now;
        else if (now - last_followed_ > kNobody)
            end(Error(Errc::unavailable, "nobody waits for it any more"));
    }

    void watch_source(SteadyTime now)
    {
        if (stream_->phase() == Stream::Phase::asking) {
            const auto limit = next_source() ? kNoByteBesideOthers : kNoByteAlone;
            if (now - attempt_->started > limit)
                fail(Fault::stalled, fmt::format("no byte within {} ms", limit.count()));
            return;
        }
        if (now - last_progress_ > kStall) {
            fail(Fault::stalled, "no byte within 20 s");
        } else if (now - window_start_ > kRateWindow) {
            const double rate = static_cast<double>(window_bytes_) /
                                std::chrono::duration<double>(now - window_start_).count();
            if (rate < kSlowest)
                fail(Fault::slow, fmt::format("only {:.0f} bytes/s", rate));
            window_start_ = now;
            window_bytes_ = 0;
        }
    }

    Fetcher& fetcher_;
    std::shared_ptr<Stream> stream_;
    StreamRequest request_;
    std::unique_ptr<Attempt> attempt_;
    std::vector<std::unique_ptr<Attempt>> retired_;  // until no callback of theirs is on the stack
    std::set<const Source*> tried_;
    std::size_t missing_ = 0;
    std::string last_failure_;
    std::uint64_t written_ = 0, window_bytes_ = 0;
    SteadyTime last_progress_{}, window_start_{}, last_followed_ = steady_now();
    bool is_over_ = false;
};

std::shared_ptr<Stream> Fetcher::stream(StreamRequest request)
{
    std::shared_ptr<Stream> stream;
    {
        const std::lock_guard lock(mutex_);
        const auto known = streams_.find({request.archive, request.path});
        if (known != streams_.end())
            return known->second;
        stream = std::make_shared<Stream>();
        if (streams_.size() >= kMostStreams) {
            stream->error_.store(std::make_shared<const Error>(
                Errc::unavailable,
                fmt::format("{} other unproven files are on their way already", kMostStreams)));
            stream->phase_.store(Stream::Phase::failed, std::memory_order_release);
            return stream;
        }
        streams_[{request.archive, request.path}] = stream;
    }
    client_.post([this, stream, request = std::move(request)]() mutable {
        std::make_shared<StreamRun>(*this, std::move(stream), std::move(request))->start();
    });
    return stream;
}

void Fetcher::drop(const StreamRequest& request)
{
    const std::lock_guard lock(mutex_);
    streams_.erase({request.archive, request.path});
}

}  // namespace aptward::fetch
