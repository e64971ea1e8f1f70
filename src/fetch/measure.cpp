// SPDX-License-Identifier: GPL-3.0-or-later
// How large a file is whose hash is known but whose size no signed text says (SHA256SUMS).
#include "fetch/fetch.h"
#include "fetch/pull.h"

namespace aptward::fetch {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAnswer{2500};
constexpr milliseconds kGrace{250};  // for the others after the first answer

// All sources are asked at once; each answer's head is enough. Owns itself until it is done.
class MeasureRun : public std::enable_shared_from_this<MeasureRun> {
public:
    using Done = std::function<void(Measurement)>;

    MeasureRun(http::Client& client, std::string path, Done done)
        : client_(client), path_(std::move(path)), done_(std::move(done))
    {
    }

    void start(const std::vector<SourcePtr>& sources)
    {
        self_ = shared_from_this();
        pending_ = sources.size();
        for (const SourcePtr& source : sources) {
            attempts_.push_back(std::make_unique<Attempt>(*this, source));
            Attempt& attempt = *attempts_.back();
            PullRequest pull;
            pull.source = source;
            pull.path = path_;
            attempt.pull = Pull::start(client_, std::move(pull), attempt);
        }
        if (sources.empty())
            return end();
        end_at(kAnswer);
    }

private:
    struct Attempt : PullEvents {
        Attempt(MeasureRun& owner, SourcePtr from) : run(owner), source(std::move(from)) {}
        bool on_head(const http::UpstreamHead& head) override
        {
            run.note(source, head);
            return false;  // the head was all
        }
        bool on_body(std::string_view) override { return false; }
        void on_complete() override {}
        void on_fault(Fault fault, std::string message) override
        {
            source->charge(fault, run.path_ + ": " + message, steady_now());
            run.settle();
        }
        MeasureRun& run;
        SourcePtr source;
        std::shared_ptr<Pull> pull;
    };

    void note(const SourcePtr& source, const http::UpstreamHead& head)
    {
        if (head.status == 404 || head.status == 410)
            ++found_.missing;
        else if (head.status == 200 && head.content_length)
            found_.sizes.push_back({source, *head.content_length, source->is_open(steady_now())});
        if (found_.sizes.size() == 1)
            end_at(kGrace);
        settle();
    }

    void settle()
    {
        if (--pending_ == 0)
            end_at(milliseconds(0));
    }

    // By a timer, because callbacks of a pull may be on the stack now.
    void end_at(milliseconds delay)
    {
        client_.at(steady_now() + delay, [weak = weak_from_this()] {
            if (const auto self = weak.lock())
                self->end();
        });
    }

    void end()
    {
        if (!self_)
            return;
        for (const auto& attempt : attempts_)
            attempt->pull->stop();
        done_(std::move(found_));
        self_.reset();
    }

    http::Client& client_;
    std::string path_;
    Done done_;
    Measurement found_;
    std::size_t pending_ = 0;
    std::vector<std::unique_ptr<Attempt>> attempts_;
    std::shared_ptr<MeasureRun> self_;
};

}  // namespace

http::Async<Measurement> Fetcher::measure(std::vector<SourcePtr> sources, std::string path)
{
    auto signal = co_await http::make_signal();
    auto found = std::make_shared<Measurement>();
    client_.post([this, signal, found, sources = std::move(sources), path = std::move(path)] {
        std::make_shared<MeasureRun>(client_, path, [signal, found](Measurement measurement) {
            *found = std::move(measurement);
            signal->notify();
        })->start(sources);
    });
    const bool is_done = co_await signal->wait_until(steady_now() + kAnswer + kGrace * 4);
    if (!is_done)
        co_return Measurement();
    co_return std::move(*found);
}

}  // namespace aptward::fetch
