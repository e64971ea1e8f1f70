// SPDX-License-Identifier: GPL-3.0-or-later
#include "fetch/pull.h"

#include <fmt/format.h>

#include "fetch/redirect.h"

namespace aptward::fetch {
namespace {

bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Fault fault_of(http::TransferEnd::Reason reason)
{
    using Reason = http::TransferEnd::Reason;
    switch (reason) {
        case Reason::refused:
            return Fault::refused;
        case Reason::not_resolved:
            return Fault::not_resolved;
        case Reason::timed_out:
            return Fault::stalled;
        case Reason::truncated:
            return Fault::truncated;
        case Reason::forbidden:
            return Fault::redirect;
        case Reason::complete:
        case Reason::protocol:
        case Reason::stopped:
            break;
    }
    return Fault::protocol;
}

}  // namespace

// One transfer of the chain; keeps the pull alive while it runs.
struct Pull::Hop : http::Receiver {
    Hop(std::shared_ptr<Pull> owner, std::string address)
        : pull(std::move(owner)), url(std::move(address))
    {
    }

    void on_sign(const http::UpstreamHead& head) override
    {
        if (pull->events_ != nullptr)
            pull->events_->on_sign(head.progress.value_or(0));
    }

    bool on_head(const http::UpstreamHead& head) override
    {
        if (pull->events_ == nullptr)
            return false;
        if (is_redirect(head.status)) {
            location = head.location;
            is_redirected = true;
            return false;
        }
        is_ended = !pull->events_->on_head(head);
        return !is_ended;
    }

    bool on_body(std::string_view bytes) override
    {
        if (pull->events_ == nullptr)
            return false;
        is_ended = !pull->take(bytes);
        return !is_ended;
    }

    void on_end(const http::TransferEnd& end) override
    {
        if (pull->events_ == nullptr || is_ended)
            return;
        if (is_redirected)
            return pull->follow(url, location);
        if (end.reason == http::TransferEnd::Reason::complete && pull->trickling_) {
            pull->has_all_ = true;
            return;
        }
        if (end.reason == http::TransferEnd::Reason::complete)
            return pull->events_->on_complete();
        pull->events_->on_fault(fault_of(end.reason), end.message);
    }

    std::shared_ptr<Pull> pull;
    std::string url;
    std::string location;
    bool is_redirected = false;
    bool is_ended = false;
};

std::shared_ptr<Pull> Pull::start(http::Client& client, PullRequest request, PullEvents& events)
{
    auto pull = std::shared_ptr<Pull>(new Pull(client, std::move(request), events));
    if (pull->request_.source->read_local())
        pull->read_on(pull->request_.from.value_or(0));
    else
        pull->go(pull->request_.source->url() + "/" + pull->request_.path);
    return pull;
}

void Pull::stop()
{
    events_ = nullptr;
    client_.cancel(transfer_);
}

void Pull::go(std::string url)
{
    using Kind = Disturbance::Kind;
    const Disturbance* const disturbance = request_.source->disturbance();
    if (disturbance != nullptr &&
        (disturbance->kind == Kind::refuse || disturbance->kind == Kind::stall)) {
        meet(*disturbance);
        return wait_in_vain();
    }
    const SourceSettings& settings = request_.source->settings();
    http::UpstreamRequest upstream;
    upstream.url = url;
    upstream.from = request_.from;
    upstream.header_lines = request_.header_lines;
    upstream.proxy = settings.proxy;
    upstream.may_use_private_addresses = is_home_ && settings.may_be_private;
    if (is_home_ && settings.sign)
        for (std::string& line : settings.sign(url))
            upstream.header_lines.push_back(std::move(line));
    if (is_home_) {  // credentials go to the source's own host only
        upstream.user = request_.lent ? request_.lent->user : settings.user;
        upstream.password = request_.lent ? request_.lent->password : settings.password;
        upstream.ca = settings.ca;
    }
    transfer_ = client_.start(std::move(upstream),
                              std::make_shared<Hop>(shared_from_this(), std::move(url)));
}

void Pull::follow(const std::string& from_url, const std::string& location)
{
    if (request_.source->is_holder())
        return events_->on_fault(Fault::redirect, "who gives what it holds sends nobody on");
    if (++redirects_ > kMaxRedirects)
        return events_->on_fault(Fault::redirect,
                                 fmt::format("more than {} redirects", kMaxRedirects));
    auto redirect = judge_redirect(from_url, location);
    if (!redirect)
        return events_->on_fault(Fault::redirect, redirect.error().message());
    is_home_ = is_home_ && redirect->is_same_host;
    go(std::move(redirect->url));
}

}  // namespace aptward::fetch
