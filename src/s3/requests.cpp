// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/requests.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "crypto/crypto.h"
#include "http/message.h"

namespace aptward::s3 {
namespace {

using std::chrono::seconds;

constexpr std::uint64_t kLeastRate = 256 * 1024;  // an upload that is slower is given up; guess

std::string_view name_of(Requests::Method method)
{
    using Method = Requests::Method;
    switch (method) {
        case Method::get:
            return "GET";
        case Method::head:
            return "HEAD";
        case Method::remove:
            return "DELETE";
        case Method::put:
            break;
    }
    return "PUT";
}

http::UpstreamRequest signed_request(const Target& target, Requests::Method method, std::string url,
                                     std::string_view body_sha256)
{
    http::UpstreamRequest request;
    request.url = std::move(url);
    request.method = method;
    request.ca = target.settings.ca;
    request.header_lines = sign({name_of(method), request.url, body_sha256},
                                target.settings.credentials, target.settings.region, system_now());
    return request;
}

std::string url_of(const Target& target, std::string_view key)
{
    return target.source->url() + "/" + encode_key(target.settings.prefix + std::string(key));
}

seconds time_of_body(const http::UpstreamRequest& request)
{
    const std::uint64_t rate = request.most_bytes_per_s == 0
                                   ? kLeastRate
                                   : std::min(kLeastRate, request.most_bytes_per_s / 2 + 1);
    return seconds((request.body.file_bytes + request.body.text.size()) / rate);
}

// The keys without the prefix; false where one does not belong there, or comes out of turn.
bool take_prefix_off(Listing& listing, const std::string& own, const std::string& wanted,
                     std::string after)
{
    for (Listed& object : listing.objects) {
        if (!object.key.starts_with(own + wanted))
            return false;
        object.key.erase(0, own.size());
        if (object.key <= after)
            return false;
        after = object.key;
    }
    return true;
}

}  // namespace

bool lacks(const Target& target, const Answer& answer)
{
    return answer.is_absent() || (target.source->denies_what_it_lacks() && is_not_allowed(answer));
}

// One request, on the client's thread until it signals.
struct Requests::Asked : http::Receiver {
    Asked(std::shared_ptr<http::Signal> done, std::size_t most)
        : signal(std::move(done)), most_bytes(most)
    {
    }

    bool on_head(const http::UpstreamHead& head) override
    {
        answer.status = head.status;
        answer.size = head.content_length;
        answer.modified = http::parse_http_date(head.last_modified);
        answer.etag = head.etag.substr(0, kMostTagBytes);
        return true;
    }

    bool on_body(std::string_view bytes) override
    {
        is_too_long = answer.body.size() + bytes.size() > most_bytes;
        if (!is_too_long)
            answer.body += bytes;
        return !is_too_long;
    }

    void on_end(const http::TransferEnd& end) override
    {
        if (is_too_long)
            answer.failure = "it answers at length, and not as an S3 service does";
        else if (end.reason != http::TransferEnd::Reason::complete)
            answer.failure = printable(end.message);
        signal->notify();
    }

    static constexpr std::size_t kMostTagBytes = 256;

    std::shared_ptr<http::Signal> signal;
    const std::size_t most_bytes;
    Answer answer;
    bool is_too_long = false;
    http::Client::TransferId id = 0;
};

void Requests::open()
{
    const std::lock_guard lock(mutex_);
    if (client_ == nullptr && !is_stopped_)
        client_ = std::make_unique<http::Client>();
}

void Requests::stop()
{
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
    if (client_ != nullptr)
        client_->stop();
}

http::UpstreamRequest Requests::request_for(const Target& target, Method method,
                                            std::string_view key)
{
    return signed_request(target, method, url_of(target, key), sha256_of_nothing());
}

http::UpstreamRequest Requests::put_request(const Target& target, std::string_view key,
                                            std::string text)
{
    auto request =
        signed_request(target, Method::put, url_of(target, key), crypto::digest_of(text).hex());
    request.body.text = std::move(text);
    return request;
}

http::UpstreamRequest Requests::put_request(const Target& target, std::string_view key,
                                            std::shared_ptr<const Fd> file, const Digest& digest)
{
    auto request = signed_request(target, Method::put, url_of(target, key), digest.hex());
    request.body.file = std::move(file);
    request.body.file_bytes = digest.size_bytes;
    request.most_bytes_per_s = target.settings.upload_rate_bytes_per_s;
    return request;
}

http::Async<Answer> Requests::ask(http::UpstreamRequest request)
{
    const seconds limit = kAnswerLimit + time_of_body(request);
    co_return co_await ask(std::move(request), kMostErrorBytes, limit);
}

http::Async<Answer> Requests::ask(http::UpstreamRequest request, std::size_t most_bytes,
                                  seconds limit)
{
    auto signal = co_await http::make_signal();
    auto asked = std::make_shared<Asked>(signal, most_bytes);
    client_->post([client = client_.get(), asked, request = std::move(request)]() mutable {
        asked->id = client->start(std::move(request), asked);
    });
    const bool is_done = co_await signal->wait_until(steady_now() + limit);
    if (is_done)
        co_return std::move(asked->answer);
    client_->post([client = client_.get(), asked] { client->cancel(asked->id); });
    Answer silent;
    silent.failure = fmt::format("no answer within {} s", limit.count());
    co_return silent;
}

http::Task<Listing> Requests::list(TargetPtr target, std::string prefix, std::string after)
{
    const std::string& own = target->settings.prefix;
    const std::string query = listing_query(own + prefix, after.empty() ? "" : own + after);
    auto request = signed_request(*target, Method::get, target->source->url() + "?" + query,
                                  sha256_of_nothing());
    const auto answer = co_await ask(std::move(request), kMostListingBytes, kAnswerLimit);
    if (!answer.is_good()) {
        const Finding finding = look_at(answer);
        co_return fail(Errc::unavailable, finding.why.empty()
                                              ? fmt::format("it answered {}", answer.status)
                                              : finding.why);
    }
    auto listing = read_listing(answer.body);
    if (!listing || !take_prefix_off(*listing, own, prefix, after))
        co_return fail(Errc::unavailable, "its list of objects is none that an S3 service makes");
    co_return std::move(*listing);
}

}  // namespace aptward::s3
