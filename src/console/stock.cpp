// SPDX-License-Identifier: GPL-3.0-or-later
#include "console/stock.h"

#include <nlohmann/json.hpp>

#include "console/answers.h"
#include "console/orders.h"

namespace aptward::console {
namespace {

using Json = nlohmann::json;
using stock::Needed;
using stock::Stock;
using stock::SubjectStock;

constexpr std::size_t kMostQueryBytes = 1024 * 1024;  // a list of packages may be long

std::string text_of(const Json& json)
{
    return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json to_json(const Needed& file)
{
    return {{"package", file.package},
            {"version", file.version},
            {"architecture", file.architecture},
            {"archive", file.archive},
            {"suite", file.suite},
            {"path", file.path},
            {"bytes", file.digest.size_bytes},
            {"held", file.is_held}};
}

Json to_json(const SubjectStock& stock, const SubjectStock::Asked& asked)
{
    Json missing = Json::array();
    std::uint64_t bytes = 0;
    for (const std::size_t number : asked.needs) {
        const Needed& file = stock.needs[number];
        bytes += file.digest.size_bytes;
        if (!file.is_held)
            missing.push_back(file.package + "=" + file.version);
    }
    return {{"package", asked.package}, {"installs", asked.installs(stock)},
            {"why_not", asked.why_not}, {"files", asked.needs.size()},
            {"bytes", bytes},           {"missing", std::move(missing)}};
}

Json wanted_of(const SubjectStock& stock)
{
    Json wanted = Json::array();
    for (const Needed& file : stock.needs)
        if (file.is_wanted)
            wanted.push_back(to_json(file));
    return wanted;
}

Json places_of(const SubjectStock& stock)
{
    Json places = Json::array();
    for (const SubjectStock::Place& place : stock.places)
        places.push_back({{"archive", place.archive}, {"suite", place.suite}});
    return places;
}

Json to_json(const Stock::Look& look, bool wants_files)
{
    const SubjectStock& stock = look.stock;
    Json json = {{"name", stock.name}, {"kind", look.is_list ? "list" : "machine"}};
    if (!look.is_list)
        json["reported"] = to_unix(look.reported);
    if (!look.failure.empty()) {
        json["failure"] = look.failure;
        return json;
    }
    std::uint64_t files = 0, bytes = 0, held = 0, held_bytes = 0;
    Json missing = Json::array(), asked = Json::array(), phased = Json::array();
    for (const Needed& file : stock.needs) {
        if (!file.is_wanted)
            continue;
        ++files;
        bytes += file.digest.size_bytes;
        held += file.is_held ? 1 : 0;
        held_bytes += file.is_held ? file.digest.size_bytes : 0;
        if (!file.is_held)
            missing.push_back(to_json(file));
    }
    for (const SubjectStock::Asked& one : stock.asked)
        asked.push_back(to_json(stock, one));
    for (const solve::PhasedOut& one : stock.phased_out)
        phased.push_back(
            {{"package", one.name}, {"version", one.version}, {"percentage", one.percentage}});
    json.update({{"files", files},
                 {"bytes", bytes},
                 {"held", held},
                 {"held_bytes", held_bytes},
                 {"missing", std::move(missing)},
                 {"asked", std::move(asked)},
                 {"cannot_upgrade", stock.cannot_upgrade},
                 {"unlisted", stock.unlisted},
                 {"phased_out", std::move(phased)},
                 {"not_from_here", stock.not_from_here},
                 {"unread", stock.unread},
                 {"places", places_of(stock)}});
    if (wants_files)
        json["wanted"] = wanted_of(stock);
    return json;
}

}  // namespace

http::Async<void> take_report(http::Exchange& exchange, archive::Services& services,
                              const archive::Front& front, stock::Stock& stock)
{
    const http::Principal principal = exchange.principal();
    if (!front.admits(principal.address)) {
        co_await send_text(exchange, 403,
                           "client.not-allowed: this node's configuration (clients) does not list "
                           "this address\n");
        co_return;
    }
    const bool is_for_operators = stock.settings()->reports == stock::Reports::operators;
    if (is_for_operators && principal.role < http::Role::operating) {
        co_await send_text(exchange, 403,
                           "machine.not-allowed: here only operators report machines "
                           "(machine-reports)\n");
        co_return;
    }
    auto body = co_await exchange.read_body(stock::kMostReportBytes);
    if (!body) {
        co_await send_text(exchange, 400, "machine.malformed: " + body.error().message() + "\n");
        co_return;
    }
    auto keep = [&stock, text = std::move(*body),
                 from = principal.address]() -> Result<std::string> {
        TRY(stock::MachineReport report, stock::parse_report(text));
        report.reported = system_now();
        report.from = from;
        const std::string name = report.name;
        TRY_VOID(stock.take_report(std::move(report)));
        return name;
    };
    const auto kept = co_await http::on_worker(services.workers, std::move(keep));
    if (!kept) {
        const int status = kept.error().code() == Errc::malformed ? 400 : 503;
        co_await send_text(exchange, status, "machine.malformed: " + kept.error().message() + "\n");
        co_return;
    }
    const std::string text = text_of({{"machine", *kept}});
    co_await send_json(exchange, text);
}

http::Async<void> show_machines(http::Exchange& exchange, archive::Services& services,
                                const stock::Stock& stock)
{
    auto read = [&stock] {
        Json list = Json::array();
        for (const std::string& name : stock.machines().names())
            if (const auto report = stock.machines().get(name))
                list.push_back({{"name", name},
                                {"architecture", report->machine.architecture},
                                {"reported", to_unix(report->reported)},
                                {"from", report->from}});
        return text_of(list);
    };
    const std::string text = co_await http::on_worker(services.workers, std::move(read));
    co_await send_json(exchange, text);
}

// {"machine": "web1"}
http::Async<void> forget_machine(http::Exchange& exchange, archive::Services& services,
                                 const stock::Stock& stock)
{
    const auto body = co_await exchange.read_body(kMaxRequestBytes);
    const Json request = body ? Json::parse(*body, nullptr, false) : Json();
    if (!request.is_object() || !request.contains("machine") || !request["machine"].is_string()) {
        co_await send_text(exchange, 400,
                           "request.malformed: send {\"machine\": NAME}, as aptward does\n");
        co_return;
    }
    auto forget = [&stock, name = request["machine"].get<std::string>()] {
        return stock.machines().forget(name);
    };
    const auto done = co_await http::on_worker(services.workers, std::move(forget));
    Result<std::string> sentence = "forgotten";
    if (!done)
        sentence = tl::unexpected<Error>(done.error());
    co_await send_outcome(exchange, std::move(sentence));
}

// {"machines": [...], "lists": [...], "packages": [...], "files": true}
http::Async<void> show_stock_of(http::Exchange& exchange, stock::Stock& stock)
{
    const auto body = co_await exchange.read_body(kMostQueryBytes);
    Result<stock::Query> query = fail(Errc::malformed, "the query did not come whole");
    if (body)
        query = stock::parse_query(*body);
    if (!query) {
        co_await send_text(exchange, 400, "request.malformed: " + query.error().message() + "\n");
        co_return;
    }
    auto look = [&stock, wanted = std::move(*query)]() -> Result<std::string> {
        TRY(const auto looks, stock.look(wanted));
        Json list = Json::array();
        for (const Stock::Look& one : looks)
            list.push_back(to_json(one, wanted.wants_files));
        return text_of(list);
    };
    auto text = co_await http::on_worker(stock.looking_thread(), std::move(look));
    if (!text) {
        const int status = text.error().code() == Errc::not_found ? 404 : 503;
        co_await send_text(exchange, status, "stock.unknown: " + text.error().message() + "\n");
        co_return;
    }
    co_await send_json(exchange, std::move(*text));
}

}  // namespace aptward::console
