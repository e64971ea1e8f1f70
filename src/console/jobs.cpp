// SPDX-License-Identifier: GPL-3.0-or-later
#include "console/jobs.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "archive/jobs.h"
#include "base/text.h"
#include "console/answers.h"

namespace aptward::console {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kFolder = "/api/v1/jobs";
constexpr std::int64_t kLongestWait = 10'000;  // milliseconds

Json to_json(const archive::JobView& view)
{
    const archive::JobRecord& job = view.record;
    Json json = {{"id", job.id},
                 {"kind", job.kind},
                 {"state", to_string(job.state)},
                 {"who", job.who},
                 {"started", to_unix(job.started)},
                 {"done", job.done},
                 {"total", job.total},
                 {"unit", job.unit},
                 {"message", job.message},
                 {"rate", static_cast<std::uint64_t>(view.rate_per_s)},
                 {"result", Json::parse(job.result, nullptr, false)}};
    if (json["result"].is_discarded())
        json["result"] = nullptr;
    if (job.ended.time_since_epoch().count() != 0)
        json["ended"] = to_unix(job.ended);
    if (view.remaining_s)
        json["remaining"] = *view.remaining_s;
    return json;
}

std::string text_of(const Json& json)
{
    return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// "/api/v1/jobs/7/cancel" -> "7/cancel"; empty for the list itself.
std::string_view behind_folder(std::string_view path)
{
    path.remove_prefix(std::min(path.size(), kFolder.size() + 1));
    return path;
}

int status_of(const Error& error)
{
    return error.code() == Errc::not_found ? 404 : error.code() == Errc::malformed ? 400 : 409;
}

http::Async<void> start_job(http::Exchange& exchange, archive::Services& services, std::string body,
                            std::string who)
{
    const Json request = Json::parse(body, nullptr, false);
    if (!request.is_object() || !request.contains("kind") || !request["kind"].is_string()) {
        co_await send_text(exchange, 400,
                           "request.malformed: kind (a text) is wanted, as in {\"kind\": "
                           "\"scrub\"}\n");
        co_return;
    }
    const auto id =
        services.jobs.start(request["kind"].get<std::string>(), std::move(body), std::move(who));
    if (!id) {
        const int status = status_of(id.error());
        const std::string why = "job.refused: " + id.error().message() + "\n";
        co_await send_text(exchange, status, why);
        co_return;
    }
    http::Answer answer(202);
    answer.type("application/json").header("Location", fmt::format("{}/{}", kFolder, *id));
    const std::string text = fmt::format("{{\"id\":{}}}\n", *id);
    co_await exchange.send(std::move(answer), text);
}

}  // namespace

http::Async<void> show_jobs(http::Exchange& exchange, archive::Services& services)
{
    const std::string_view rest = behind_folder(exchange.target().path);
    if (rest.empty()) {
        Json list = Json::array();
        for (const archive::JobView& view : services.jobs.list())
            list.push_back(to_json(view));
        const std::string text = text_of(list);
        co_await send_json(exchange, text);
        co_return;
    }
    const auto id = parse_number<std::int64_t>(rest);
    const auto patience = number_parameter(exchange.target().query, "wait", 0, 0, kLongestWait);
    if (id && patience > 0) {
        const auto signal = co_await http::make_signal();
        services.jobs.watch(*id, signal);
        co_await signal->wait_until(steady_now() + std::chrono::milliseconds(patience));
    }
    const auto view = id ? services.jobs.find(*id) : std::nullopt;
    if (!view) {
        co_await send_text(exchange, 404, "job.unknown: there is no such job\n");
        co_return;
    }
    const std::string text = text_of(to_json(*view));
    co_await send_json(exchange, text);
}

http::Async<void> change_jobs(http::Exchange& exchange, archive::Services& services,
                              std::string body, std::string who)
{
    const std::string_view rest = behind_folder(exchange.target().path);
    if (rest.empty()) {
        co_await start_job(exchange, services, std::move(body), std::move(who));
        co_return;
    }
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const auto id = parse_number<std::int64_t>(rest.substr(0, slash));
    if (!id || rest.substr(slash) != "/cancel") {
        co_await send_text(exchange, 404, "request.unknown: there is no such action\n");
        co_return;
    }
    const auto cancelled = services.jobs.cancel(*id, who);
    const int status = cancelled ? 200 : status_of(cancelled.error());
    const std::string text =
        cancelled ? "cancelled\n" : "job.refused: " + cancelled.error().message() + "\n";
    co_await send_text(exchange, status, text);
}

}  // namespace aptward::console
