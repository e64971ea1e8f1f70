// SPDX-License-Identifier: GPL-3.0-or-later
// Proxy requests for hosts that no archive claims: refused with the lines to add, or passed through
// unproven and uncached when the operator said so.
#include <fmt/format.h>

#include <algorithm>

#include "archive/front.h"
#include "archive/send.h"

namespace aptward::archive {

http::Async<void> Front::answer_stranger(http::Exchange& exchange, const Routes& routes,
                                         Stranger stranger)
{
    const SystemTime now = system_now();
    strangers_.note(stranger.host, stranger.path, stranger.is_https, exchange.principal().address,
                    now);
    const bool is_passed =
        routes.unknown_hosts == UnknownHosts::pass ||
        (routes.unknown_hosts == UnknownHosts::observe && now < routes.observed_until);
    if (is_passed) {
        co_await pass(exchange, routes, std::move(stranger));
    } else {
        co_await refuse_stranger(exchange, routes, std::move(stranger));
    }
}

// Ports and private addresses as for CONNECT: a stranger's name must not lead inside (A19).
std::shared_ptr<fetch::Source> Front::source_of(const Routes& routes, const Stranger& stranger)
{
    const std::string standard_port = stranger.is_https ? ":443" : ":80";
    const bool has_port = stranger.host.find(':') != std::string::npos;
    const std::string name = has_port ? stranger.host : stranger.host + standard_port;
    const auto& listed = routes.connect_hosts;
    const bool is_listed = std::find(listed.begin(), listed.end(), name) != listed.end();
    if (has_port && !is_listed)
        return nullptr;
    fetch::SourceSettings settings;
    settings.url = (stranger.is_https ? "https://" : "http://") + stranger.host;
    settings.may_be_private = is_listed;
    settings.proxy = routes.proxy;
    return std::make_shared<fetch::Source>(std::move(settings));
}

http::Async<void> Front::pass(http::Exchange& exchange, const Routes& routes, Stranger stranger)
{
    auto source = source_of(routes, stranger);
    if (source == nullptr) {
        co_await send_refusal(exchange, 403, "host.port",
                              "only port 80, or 443 for https, or what connect-hosts lists, is "
                              "passed through: " +
                                  stranger.host,
                              services_.counters);
        co_return;
    }
    fetch::StreamRequest request;
    request.archive = "unclaimed " + source->url();
    request.path = http::encode_path(stranger.path.substr(1));
    request.sources.push_back(std::move(source));
    const auto stream = services_.fetcher.stream(std::move(request));
    co_await send_unproven(exchange, stream, "none; no archive claims this host",
                           services_.counters);
}

http::Async<void> Front::refuse_stranger(http::Exchange& exchange, const Routes& routes,
                                         Stranger stranger)
{
    const std::string folder = archive_folder(stranger.path);
    const std::string week =
        routes.unknown_hosts == UnknownHosts::observe ? "The week of observe-setup is over. " : "";
    const std::string message = fmt::format(
        "{0}no configured archive claims {1}://{2}{3}. To serve it verified, add to aptward.toml "
        "(aptward config suggest prints all that clients asked for):\n\n"
        "[[archive]]\nid        = \"{2}\"\n"
        "keyrings  = [\"/usr/share/keyrings/KEYRING.gpg\"]\nupstreams = [\"{1}://{2}{3}\"]\n",
        week, stranger.is_https ? "https" : "http", stranger.host, folder);
    co_await send_refusal(exchange, 403, "host.unknown", message, services_.counters);
}

}  // namespace aptward::archive
