// SPDX-License-Identifier: GPL-3.0-or-later
// Small unproven texts from one named source: what the claim path judges.
#include <fmt/format.h>

#include <utility>

#include "fetch/fetch.h"
#include "fetch/pull.h"

namespace aptward::fetch {
namespace {

using std::chrono::milliseconds;

// One document on its way, on the fetch thread. Its time limit keeps it alive: callbacks of its
// pull may be on the stack when it is over, and a client that stops lets go of it with its timers.
class DocumentRun : public PullEvents, public std::enable_shared_from_this<DocumentRun> {
public:
    using Done = std::function<void(Result<Document>)>;

    DocumentRun(Fetcher& fetcher, DocumentRequest request, Done done)
        : fetcher_(fetcher), request_(std::move(request)), done_(std::move(done))
    {
    }

    void start()
    {
        PullRequest pull;
        pull.source = request_.source;
        pull.path = request_.path;
        pull.lent = request_.lent;
        if (!request_.etag.empty())
            pull.header_lines.push_back("If-None-Match: " + request_.etag);
        else if (!request_.last_modified.empty())
            pull.header_lines.push_back("If-Modified-Since: " + request_.last_modified);
        if (request_.is_probe)
            pull.header_lines.push_back("Range: bytes=0-0");
        pull_ = Pull::start(fetcher_.client(), std::move(pull), *this);
        fetcher_.client().at(steady_now() + request_.time_limit, [self = shared_from_this()] {
            self->give_up(Fault::stalled, fmt::format("not complete within {} ms",
                                                      self->request_.time_limit.count()));
        });
    }

    bool on_head(const http::UpstreamHead& head) override
    {
        request_.source->answered(
            std::chrono::duration_cast<milliseconds>(steady_now() - started_));
        document_.last_modified = head.last_modified;
        document_.etag = head.etag;
        const bool has_validator = !request_.etag.empty() || !request_.last_modified.empty();
        if (request_.is_probe && (head.status == 200 || head.status == 206)) {
            end(std::move(document_));
            return false;
        }
        if (head.status == 200 && head.content_length.value_or(0) <= request_.limit_bytes)
            return true;
        if (head.status == 200)
            give_up(Fault::protocol, fmt::format("it offers {} bytes, the limit is {}",
                                                 *head.content_length, request_.limit_bytes));
        else if (head.status == 304 && has_validator)
            return document_.is_unchanged = true;
        else if (head.status == 404 || head.status == 410)
            finish_missing(head.status);
        else if (request_.lent && (head.status == 401 || head.status == 403))
            end(aptward::fail(Errc::untrusted, fmt::format("{} answered {} to these credentials",
                                                           request_.source->url(), head.status)));
        else
            give_up(head.status >= 500 || head.status == 429 ? Fault::failing : Fault::denied,
                    fmt::format("it answered {}", head.status));
        return false;
    }

    bool on_body(std::string_view bytes) override
    {
        if (document_.body.size() + bytes.size() > request_.limit_bytes) {
            give_up(Fault::protocol, fmt::format("over {} bytes", request_.limit_bytes));
            return false;
        }
        document_.body += bytes;
        return true;
    }

    void on_complete() override
    {
        request_.source->delivered(
            document_.body.size(),
            std::chrono::duration_cast<milliseconds>(steady_now() - started_), Source::Proof::none);
        end(std::move(document_));
    }

    void on_fault(Fault fault, std::string message) override { give_up(fault, std::move(message)); }

private:
    void finish_missing(int status)
    {
        if (!request_.is_optional)
            request_.source->charge(Fault::missing, request_.path, steady_now());
        end(aptward::fail(Errc::not_found,
                          fmt::format("{}: it answered {}", request_.source->url(), status)));
    }

    void give_up(Fault fault, std::string message)
    {
        if (!done_)
            return;
        message = request_.path + ": " + message;
        // A source that is down is asked every minute: told once, counted always.
        if (request_.source->failures_in_a_row() == 0)
            fetcher_.event(fmt::format("source.{}", to_string(fault)), request_.archive,
                           request_.source, message);
        request_.source->charge(fault, message, steady_now());
        const Errc code = fault == Fault::protocol || fault == Fault::redirect ? Errc::malformed
                                                                               : Errc::unavailable;
        end(aptward::fail(
            code, fmt::format("{}: {}: {}", request_.source->url(), to_string(fault), message)));
    }

    void end(Result<Document> result)
    {
        if (!done_)
            return;
        pull_->stop();
        document_ = Document();
        std::exchange(done_, nullptr)(std::move(result));
    }

    Fetcher& fetcher_;
    DocumentRequest request_;
    Done done_;
    Document document_;
    SteadyTime started_ = steady_now();
    std::shared_ptr<Pull> pull_;
};

}  // namespace

http::Task<Document> Fetcher::document(DocumentRequest request)
{
    auto signal = co_await http::make_signal();
    auto result = std::make_shared<std::optional<Result<Document>>>();
    const auto limit = request.time_limit + std::chrono::seconds(2);
    client_.post([this, signal, result, request = std::move(request)]() mutable {
        std::make_shared<DocumentRun>(*this, std::move(request),
                                      [signal, result](Result<Document> document) {
                                          result->emplace(std::move(document));
                                          signal->notify();
                                      })
            ->start();
    });
    const bool is_done = co_await signal->wait_until(steady_now() + limit);
    if (!is_done)
        co_return fail(Errc::unavailable, "the fetch thread is busy");
    co_return std::move(**result);
}

}  // namespace aptward::fetch
