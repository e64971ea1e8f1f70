// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "s3/service_error.h"

namespace aptward::s3 {
namespace {

using std::chrono::seconds;
using Method = http::UpstreamRequest::Method;

constexpr const char* kIdKey = "aptward-bucket";  // an object that tells one bucket from another
constexpr std::size_t kIdDigits = 32;
constexpr std::uint64_t kLeastRate = 256 * 1024;  // an upload that is slower is given up; guess
constexpr seconds kAnswerLimit{20};
// Until it is looked at again; guesses.
constexpr seconds kLookAgain{30}, kTryAgain{5}, kAfterRefusal{60};

std::string_view name_of(Method method)
{
    switch (method) {
        case Method::get:
            return "GET";
        case Method::head:
            return "HEAD";
        case Method::put:
            break;
    }
    return "PUT";
}

seconds pause_after(Health health)
{
    switch (health) {
        case Health::good:
            return kLookAgain;
        case Health::untried:
        case Health::unreachable:
            return kTryAgain;
        case Health::denied:
        case Health::no_bucket:
        case Health::full:
            break;
    }
    return kAfterRefusal;
}

// A signature counts for some minutes: one is made when a request starts.
fetch::SignRequest signer(const Settings& settings)
{
    return [credentials = settings.credentials, region = settings.region](const std::string& url) {
        return sign({"GET", url, sha256_of_nothing()}, credentials, region, system_now());
    };
}

fetch::SourcePtr make_source(const Settings& settings)
{
    fetch::SourceSettings source;
    source.kind = fetch::SourceSettings::Kind::service;
    source.url = settings.url + "/" + settings.bucket;
    source.ca = settings.ca;
    source.sign = signer(settings);
    return std::make_shared<fetch::Source>(std::move(source));
}

bool is_id(std::string_view text)
{
    return text.size() == kIdDigits &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

seconds limit_of(const http::UpstreamRequest& request)
{
    const std::uint64_t rate = request.most_bytes_per_s == 0
                                   ? kLeastRate
                                   : std::min(kLeastRate, request.most_bytes_per_s / 2 + 1);
    return kAnswerLimit + seconds(request.body.file_bytes / rate);
}

}  // namespace

// One request, on the client's thread until it signals.
struct Service::Asked : http::Receiver {
    explicit Asked(std::shared_ptr<http::Signal> done) : signal(std::move(done)) {}

    bool on_head(const http::UpstreamHead& head) override
    {
        answer.status = head.status;
        answer.size = head.content_length;
        return true;
    }

    bool on_body(std::string_view bytes) override
    {
        is_too_long = answer.body.size() + bytes.size() > kMostErrorBytes;
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

    std::shared_ptr<http::Signal> signal;
    Answer answer;
    bool is_too_long = false;
    http::Client::TransferId id = 0;
};

Service::Service(archive::Services& services, archive::Front& front, std::filesystem::path state,
                 std::optional<Settings> settings)
    : services_(services), front_(front), uploaded_(state / "blob-service.uploaded")
{
    use(std::move(settings));
}

void Service::use(std::optional<Settings> settings)
{
    TargetPtr target;
    if (settings) {
        auto made = std::make_shared<Target>();
        made->source = make_source(*settings);
        made->settings = std::move(*settings);
        target = std::move(made);
        const std::lock_guard lock(client_mutex_);
        if (client_ == nullptr && !is_stopped_)
            client_ = std::make_unique<http::Client>();
    }
    is_readable_ = target != nullptr;
    target_ = std::move(target);
    must_look_ = must_probe_ = true;
    waker_.wake();
}

void Service::stop()
{
    const std::lock_guard lock(client_mutex_);
    is_stopped_ = true;
    if (client_ != nullptr)
        client_->stop();
}

void Service::add(fetch::Want& want) const
{
    const TargetPtr target = target_.load();
    if (target == nullptr || !is_readable_ || want.digest.algorithm != HashAlgorithm::sha256)
        return;
    want.elsewhere.push_back({target->source,
                              {encode_key(target->settings.prefix + key_of_blob(want.digest))},
                              fetch::Want::Elsewhere::Turn::service});
}

bool Service::has(const Digest& digest) const
{
    return is_readable() && uploaded_.has(digest);
}

http::UpstreamRequest Service::request_for(const Target& target, Method method,
                                           std::string_view key, std::string_view body_sha256) const
{
    http::UpstreamRequest request;
    request.url =
        target.source->url() + "/" + encode_key(target.settings.prefix + std::string(key));
    request.method = method;
    request.ca = target.settings.ca;
    request.header_lines = sign({name_of(method), request.url, body_sha256},
                                target.settings.credentials, target.settings.region, system_now());
    return request;
}

http::Async<Answer> Service::ask(http::UpstreamRequest request)
{
    auto signal = co_await http::make_signal();
    auto asked = std::make_shared<Asked>(signal);
    const seconds limit = limit_of(request);
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

// Whether it is there, gives, is the bucket that it was, and takes what it is sent.
http::Async<Finding> Service::probe(TargetPtr target)
{
    const auto answer =
        co_await ask(request_for(*target, Method::get, kIdKey, sha256_of_nothing()));
    Finding finding = look_at(answer);
    if (finding.health == Health::good && answer.is_absent() && !read_service_error(answer.body))
        finding = {Health::unreachable, "it answers 404, but not as an S3 service does"};
    if (answer.is_good() && !is_id(answer.body))
        finding = {Health::unreachable,
                   fmt::format("its object {}{} is not what a node has put there; is this an S3 "
                               "service, and this node's bucket?",
                               target->settings.prefix, kIdKey)};
    is_readable_ = finding.health == Health::good;
    if (!is_readable_)
        co_return finding;
    if (answer.is_good() && !uploaded_.begin(answer.body)) {
        must_look_ = true;
        tell("s3.other-bucket",
             "it is not the bucket that it was: what is held here is uploaded to it anew");
    }
    if (answer.is_absent()) {
        uploaded_.clear();
        must_look_ = true;
    }
    if (target->settings.is_uploaded_to && (answer.is_absent() || has_failed_put_)) {
        std::string id = answer.is_absent() ? crypto::random_hex(kIdDigits / 2) : answer.body;
        finding = co_await put_id(target, std::move(id));
    }
    co_return finding;
}

// Of two nodes that make one at once one is overwritten: it takes the other's at its next look.
http::Async<Finding> Service::put_id(TargetPtr target, std::string id)
{
    auto request = request_for(*target, Method::put, kIdKey, crypto::digest_of(id).hex());
    request.body.text = id;
    const auto answer = co_await ask(std::move(request));
    has_failed_put_ = !answer.is_good();
    if (answer.is_good())
        uploaded_.begin(id);
    co_return look_at_put(answer);
}

http::Async<void> Service::keep()
{
    const auto signal = co_await http::make_signal();
    waker_.enter(signal);
    for (;;) {
        SteadyTime next = http::kNoDeadline;
        if (const TargetPtr target = target_.load()) {
            co_await look_after_safely(target);
            next = next_probe_;
        } else {
            queue_.clear();
            note({Health::untried, ""});
        }
        co_await signal->wait_until(next);
    }
}

// Exhausted memory (R11) costs a turn.
http::Async<void> Service::look_after_safely(TargetPtr target)
{
    try {
        co_await look_after(target);
    } catch (const std::exception& error) {
        log_warning("s3.failed", {}, error.what());
        must_look_ = true;
        next_probe_ = steady_now() + kTryAgain;
    }
}

http::Async<void> Service::look_after(TargetPtr target)
{
    if (must_probe_.exchange(false) || steady_now() >= next_probe_) {
        const Finding found = co_await probe(target);
        note(found);
        next_probe_ = steady_now() + pause_after(found.health);
    }
    if (!target->settings.is_uploaded_to)
        co_return;
    while (finding_.health == Health::good) {
        co_await look_at_held();
        co_await upload_waiting(target);
        if (!must_look_ || target != target_.load())
            break;
    }
    if (finding_.health != Health::good)
        next_probe_ = steady_now() + pause_after(finding_.health);
}

void Service::note(const Finding& finding)
{
    const Health before = std::exchange(finding_.health, finding.health);
    finding_.why = finding.why;
    if (finding.health == Health::no_bucket)
        uploaded_.clear();
    if (before == finding.health)
        return;
    since_ = system_now();
    if (finding.health == Health::good && before != Health::untried)
        tell("s3.back", "the blob service is as it should be again");
    else if (finding.health != Health::good && finding.health != Health::untried)
        tell(fmt::format("s3.{}", to_string(finding.health)),
             fmt::format("{}; files come from elsewhere meanwhile", finding.why));
}

void Service::tell(std::string code, std::string message) const
{
    catalog::Event event;
    event.code = std::move(code);
    if (const TargetPtr target = target_.load())
        event.source = target->source->url();
    event.message = std::move(message);
    services_.events.add(std::move(event));
}

http::Async<std::optional<archive::BlobServiceReport>> Service::report()
{
    const TargetPtr target = target_.load();
    if (target == nullptr)
        co_return std::nullopt;
    archive::BlobServiceReport report;
    const auto look = [this]() -> http::Task<std::pair<Finding, SystemTime>> {
        co_return std::pair(finding_, since_);
    };
    const auto found = co_await http::on_loop(services_.control, "looking at the blob service",
                                              look, steady_now() + seconds(2));
    if (found) {
        report.state = to_string(found->first.health);
        report.why = found->first.why;
        report.since = found->second;
    }
    report.url = target->source->url();
    report.is_uploaded_to = target->settings.is_uploaded_to;
    report.uploaded_files = uploaded_files_;
    report.uploaded_bytes = uploaded_bytes_;
    report.found_files = found_files_;
    report.waiting_files = queue_.size() + uploading_;
    report.looked_at = looked_at_held_;
    report.known_files = uploaded_.count();
    std::vector<fetch::SourcePtr> shown = {target->source};
    const auto sources = co_await services_.fetcher.report(std::move(shown));
    if (!sources.empty())
        report.source = sources.front();
    co_return report;
}

}  // namespace aptward::s3
