// SPDX-License-Identifier: GPL-3.0-or-later
#include "console/deliveries.h"

#include <nlohmann/json.hpp>

#include "archive/deliveries.h"
#include "base/text.h"
#include "console/answers.h"

namespace aptward::console {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMostAtOnce = 100'000;
constexpr std::int64_t kMostSeconds = INT64_MAX / 1000;

}  // namespace

std::string to_json(const store::DeliveriesFound& found)
{
    Json list = Json::array();
    for (const store::KeptDelivery& delivery : found.deliveries)
        list.push_back({{"time", static_cast<double>(delivery.time_ms) / 1000},
                        {"client", delivery.client},
                        {"archive", delivery.archive},
                        {"path", delivery.path},
                        {"digest", delivery.digest},
                        {"generation", delivery.generation},
                        {"source", delivery.source.empty() ? "held" : delivery.source},
                        {"status", delivery.status},
                        {"bytes", delivery.bytes_sent},
                        {"complete", delivery.is_complete}});
    const Json document = {{"deliveries", list},
                           {"has_older", found.is_cut},
                           {"lost", found.reading.lost},
                           {"unreadable", found.reading.unreadable},
                           {"damaged_bytes", found.reading.damaged_bytes},
                           {"foreign_bytes", found.foreign_bytes}};
    return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

http::Async<void> show_deliveries(http::Exchange& exchange, archive::Services& services)
{
    const std::string_view text = exchange.target().query;
    store::DeliveryQuery query;
    query.digest = to_lower(parameter(text, "digest").value_or(""));
    query.path = parameter(text, "path").value_or("");
    query.client = parameter(text, "client").value_or("");
    query.since_ms = number_parameter(text, "since", 0, 0, kMostSeconds) * 1000;
    query.until_ms = number_parameter(text, "until", kMostSeconds, 0, kMostSeconds) * 1000;
    query.limit = static_cast<std::size_t>(number_parameter(text, "limit", 1000, 1, kMostAtOnce));
    // A hundred thousand take a while to write down as well: on the worker, not on a client's loop.
    auto look = [folder = services.deliveries.folder(), query] {
        return store::find_deliveries(folder, query).map(to_json);
    };
    auto found = co_await http::on_worker(services.workers, std::move(look));
    if (!found) {
        const int status = found.error().code() == Errc::not_found ? 404 : 500;
        const std::string why = "deliveries.unreadable: " + found.error().message() + "\n";
        co_await send_text(exchange, status, why);
        co_return;
    }
    co_await send_json(exchange, std::move(*found));
}

}  // namespace aptward::console
