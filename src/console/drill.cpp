// SPDX-License-Identifier: GPL-3.0-or-later
#include "console/drill.h"

#include <fmt/format.h>

#include "archive/drill_stock.h"
#include "archive/unknown_archive.h"
#include "console/answers.h"
#include "console/orders.h"

namespace aptward::console {
namespace {

using Json = nlohmann::json;
using Whom = fetch::Disturbed::Whom;

constexpr std::int64_t kUsualPackages = 10;
constexpr std::int64_t kMostPackages = 10'000;
constexpr std::chrono::hours kLately{30 * 24};

Json to_json(const std::vector<archive::DrillStock::Package>& packages)
{
    Json list = Json::array();
    for (const auto& one : packages)
        list.push_back({{"name", one.name},
                        {"version", one.version},
                        {"path", one.path},
                        {"bytes", one.bytes}});
    return list;
}

std::string to_json(const archive::DrillStock& stock, const archive::Archive& archive,
                    const archive::Routes& routes)
{
    const archive::ArchiveSettings& settings = archive.settings();
    Json suites = Json::array(), misses = Json::array();
    for (const auto& suite : stock.suites)
        suites.push_back({{"suite", suite.name}, {"components", suite.components}});
    for (const auto& miss : stock.misses)
        misses.push_back({{"name", miss.package.name},
                          {"version", miss.package.version},
                          {"clients", miss.clients}});
    const Json document = {{"addresses", routes.own_addresses},
                           {"verified", settings.verify != archive::Verify::unverified},
                           {"keyring", crypto::encode_base64(settings.keyring.binary)},
                           {"sources", archive.sources().size()},
                           {"architecture", stock.architecture},
                           {"suites", suites},
                           {"listed", stock.listed},
                           {"held", stock.held},
                           {"some_held", to_json(stock.some_held)},
                           {"some_missing", to_json(stock.some_missing)},
                           {"would_be_missed", misses}};
    return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// "sources": "all" (or nothing), "first", or a list of URLs.
Result<fetch::Disturbed> read_sources(const Json& request)
{
    fetch::Disturbed whom;
    const auto found = request.find("sources");
    if (found == request.end() || *found == "all")
        return whom;
    whom.whom = *found == "first" ? Whom::first : Whom::named;
    if (whom.whom == Whom::first)
        return whom;
    for (const Json& url : found->is_array() ? *found : Json::array({nullptr})) {
        if (!url.is_string())
            return fail(Errc::malformed, "\"sources\" is \"all\", \"first\" or a list of URLs");
        whom.urls.push_back(url.get<std::string>());
    }
    return whom;
}

Result<archive::DrillOrder> read_drill(const Order& order)
{
    archive::DrillOrder drill;
    drill.who = order.who;
    const auto kind = fetch::parse_disturbance(order.text("fault"));
    if (!kind)
        return fail(Errc::malformed, "\"fault\" is refuse, stall, trickle or lie");
    drill.kind = *kind;
    TRY(drill.whom, read_sources(order.request));
    const auto alone = order.request.find("alone");
    if (alone != order.request.end() && !alone->is_boolean())
        return fail(Errc::malformed, "\"alone\" is true or false");
    drill.is_alone = alone != order.request.end() && alone->get<bool>();
    const auto seconds = order.request.find("seconds");
    if (seconds == order.request.end())
        return drill;
    if (!seconds->is_number_unsigned() ||
        seconds->get<std::uint64_t>() > std::uint64_t{archive::kLongestDrill.count()})
        return fail(Errc::malformed, fmt::format("\"seconds\" is a number from 1 to {}",
                                                 archive::kLongestDrill.count()));
    drill.limit = std::chrono::seconds(seconds->get<std::int64_t>());
    return drill;
}

std::string refusal(const Error& error)
{
    return "drill.refused: " + error.message() + "\n";
}

int status_of(const Error& error)
{
    return error.code() == Errc::malformed ? 400 : error.code() == Errc::not_found ? 404 : 409;
}

}  // namespace

Json to_json(const archive::RunningDrillPtr& drill)
{
    if (drill == nullptr)
        return nullptr;
    return {{"number", drill->number},
            {"archive", drill->archive},
            {"fault", drill->kind},
            {"sources", drill->sources},
            {"alone", drill->is_alone},
            {"others", drill->has_others},
            {"who", drill->who},
            {"since", to_unix(drill->since)},
            {"until", to_unix(drill->until)}};
}

http::Async<void> show_stock(http::Exchange& exchange, archive::Services& services,
                             archive::Front& front)
{
    const std::string_view query = exchange.target().query;
    const auto routes = front.routes();
    const std::string id = parameter(query, "archive").value_or("");
    const auto archive = front.find_archive(id);
    if (archive == nullptr) {
        const std::string why = archive::unknown_archive(id);
        co_await send_text(exchange, 404, "archive.unknown: " + why + "\n");
        co_return;
    }
    const auto most = static_cast<std::size_t>(
        number_parameter(query, "packages", kUsualPackages, 0, kMostPackages));
    if (archive->settings().is_private) {
        co_await send_text(exchange, 409,
                           "drill.refused: the archive is private, and a drill has no credentials "
                           "for its clients\n");
        co_return;
    }
    auto look = [&services, archive, most, routes] {
        return archive::look_at_stock(services, *archive, most, system_now() - kLately)
            .map([&](const archive::DrillStock& stock) {
                return to_json(stock, *archive, *routes);
            });
    };
    auto text = co_await http::on_worker(services.workers, std::move(look));
    if (!text) {
        const int status = status_of(text.error());
        const std::string why = refusal(text.error());
        co_await send_text(exchange, status, why);
        co_return;
    }
    co_await send_json(exchange, std::move(*text));
}

http::Async<void> start_drill(http::Exchange& exchange, archive::Services& services,
                              archive::Drill& drill, Order order)
{
    const auto wanted = read_drill(order);
    if (!wanted) {
        const std::string why = "request.malformed: " + wanted.error().message() + "\n";
        co_await send_text(exchange, 400, why);
        co_return;
    }
    auto make = [&drill, archive = order.archive, wanted = *wanted] {
        return drill.start(archive, wanted);
    };
    const SteadyTime deadline = steady_now() + archive::kControlLimit;
    const auto started =
        co_await http::on_loop(services.control, "starting a drill", std::move(make), deadline);
    if (!started) {
        const int status = status_of(started.error());
        const std::string why = refusal(started.error());
        co_await send_text(exchange, status, why);
        co_return;
    }
    const std::string text = to_json(*started).dump() + "\n";
    co_await send_json(exchange, text);
}

// {"number": N}; no number: whichever runs.
http::Async<void> end_drill(http::Exchange& exchange, archive::Services& services,
                            archive::Drill& drill)
{
    const auto body = co_await exchange.read_body(kMaxRequestBytes);
    const Json request = Json::parse(body.value_or("?"), nullptr, false);
    if (!request.is_object()) {
        co_await send_text(exchange, 400,
                           "request.malformed: the body is no JSON object; send {} or "
                           "{\"number\": N}\n");
        co_return;
    }
    const auto number = request.find("number");
    const bool has_number = number != request.end() && number->is_number_integer();
    auto make = [&drill, wanted = has_number ? number->get<std::int64_t>() : 0,
                 who = exchange.principal().who()] { return drill.end(wanted, who); };
    const SteadyTime deadline = steady_now() + archive::kControlLimit;
    auto ended =
        co_await http::on_loop(services.control, "ending a drill", std::move(make), deadline);
    if (!ended) {
        const int status = status_of(ended.error());
        const std::string why = refusal(ended.error());
        co_await send_text(exchange, status, why);
        co_return;
    }
    const std::string text = Json({{"transfers", *ended}}).dump() + "\n";
    co_await send_json(exchange, text);
}

}  // namespace aptward::console
