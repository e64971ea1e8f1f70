// SPDX-License-Identifier: GPL-3.0-or-later
// The events, as a list and as a stream that goes on. Format: docs/formats/admin-api.md
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "console/admin.h"
#include "console/answers.h"

namespace aptward::console {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kBatch = 100;  // what one follower holds in memory at most

Json to_json(const catalog::Event& event)
{
    return {{"number", event.number},    {"time", to_unix(event.time)},
            {"code", event.code},        {"archive", event.archive},
            {"suite", event.suite},      {"source", event.source},
            {"message", event.message},  {"who", event.who},
            {"evidence", event.evidence}};
}

std::optional<std::int64_t> number_in(std::string_view query, std::string_view name)
{
    const auto value = parameter(query, name);
    return value ? parse_number<std::int64_t>(*value) : std::nullopt;
}

bool wants_stream(const http::Exchange& exchange)
{
    const std::string_view accept = exchange.head().header("Accept").value_or("");
    return exchange.head().method == "GET" &&
           (accept.find("text/event-stream") != std::string_view::npos ||
            number_in(exchange.target().query, "follow") == 1);
}

}  // namespace

http::Async<void> Admin::answer_events(http::Exchange& exchange)
{
    if (wants_stream(exchange)) {
        co_await follow_events(exchange);
        co_return;
    }
    const std::string& query = exchange.target().query;
    const std::int64_t after = number_parameter(query, "after", 0, 0, INT64_MAX);
    const auto limit = static_cast<std::size_t>(number_parameter(query, "limit", 200, 1, 10'000));
    auto read = [this, after, limit] { return services_.state.events(after, limit); };
    auto events = co_await http::on_worker(services_.state_thread, read);
    auto render = [events = std::move(events)] {
        Json list = Json::array();
        for (const catalog::Event& event : events)
            list.push_back(to_json(event));
        return list.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
    };
    std::string text = co_await http::on_worker(services_.workers, std::move(render));
    co_await send_json(exchange, std::move(text));
}

http::Async<void> Admin::follow_events(http::Exchange& exchange)
{
    auto signal = co_await http::make_signal();
    // Before the first look, so that no event falls between.
    if (!followers_.enter(signal)) {
        http::Answer answer(503);
        answer.header("Retry-After", "10").type("text/plain; charset=utf-8");
        const std::string text = "events.busy: too many clients follow the events\n";
        co_await exchange.send(std::move(answer), text);
        co_return;
    }
    const std::string_view last_seen = exchange.head().header("Last-Event-ID").value_or("");
    auto from = parse_number<std::int64_t>(last_seen);
    if (!from)
        from = number_in(exchange.target().query, "after");
    if (!from) {
        auto newest = [this] { return services_.state.events(0, 1); };
        const auto last = co_await http::on_worker(services_.state_thread, newest);
        from = last.empty() ? 0 : last.back().number;
    }
    std::int64_t after = *from;
    http::EventStream stream(exchange, signal);
    bool is_open = co_await stream.begin();
    while (is_open) {
        auto read = [this, after] { return services_.state.events_from(after, kBatch); };
        const auto events = co_await http::on_worker(services_.state_thread, read);
        std::string text;
        for (const catalog::Event& event : events) {
            const Json json = to_json(event);
            text += http::format_server_event(
                std::to_string(event.number), event.code,
                json.dump(-1, ' ', false, Json::error_handler_t::replace));
            after = event.number;
        }
        if (text.empty()) {
            is_open = co_await stream.wait();
        } else {
            is_open = co_await stream.send(text);
        }
    }
}

}  // namespace aptward::console
