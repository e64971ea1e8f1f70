// SPDX-License-Identifier: GPL-3.0-or-later
#include "console/orders.h"

#include "archive/unknown_archive.h"
#include "console/answers.h"

namespace aptward::console {
namespace {

using Json = nlohmann::json;

}  // namespace

std::string Order::text(const char* key) const
{
    const auto value = request.find(key);
    return value != request.end() && value->is_string() ? value->get<std::string>() : "";
}

http::Async<std::optional<Order>> read_plain_order(http::Exchange& exchange, bool is_reloading)
{
    const auto body = co_await exchange.read_body(kMaxRequestBytes);
    Order order;
    order.who = exchange.principal().who();
    std::string why =
        "the body is no JSON object; send one such as {\"archive\": \"debian\"} (aptward does)";
    if (body)
        order.request = Json::parse(*body, nullptr, false);
    else
        why = body.error().message();
    if (!order.request.is_object()) {
        co_await send_text(exchange, 400, "request.malformed: " + why + "\n");
        co_return std::nullopt;
    }
    if (is_reloading) {
        co_await send_text(exchange, 409,
                           "node.reloading: the configuration is being read again; ask again in a "
                           "moment\n");
        co_return std::nullopt;
    }
    co_return order;
}

http::Async<Order> read_order(http::Exchange& exchange, archive::Front& front, bool is_reloading)
{
    auto order = co_await read_plain_order(exchange, is_reloading);
    if (!order)
        co_return Order();
    order->archive = front.find_archive(order->text("archive"));
    if (!order->archive) {
        const std::string why = archive::unknown_archive(order->text("archive"));
        co_await send_text(exchange, 404, "archive.unknown: " + why + "\n");
    }
    co_return std::move(*order);
}

http::Async<void> send_outcome(http::Exchange& exchange, Result<std::string> sentence)
{
    const int status = sentence ? 200 : 409;
    const std::string text = (sentence ? *sentence : sentence.error().message()) + "\n";
    co_await send_text(exchange, status, text);
}

}  // namespace aptward::console
