// SPDX-License-Identifier: GPL-3.0-or-later
#include "console/blob_service.h"

#include "console/peers.h"

namespace aptward::console {

http::Async<std::optional<archive::BlobServiceReport>> look_at_blob_service(
    const archive::Services& services)
{
    std::optional<archive::BlobServiceReport> report;
    if (services.blob_service != nullptr) {
        report = co_await services.blob_service->report();
    }
    co_return report;
}

nlohmann::json to_json(const std::optional<archive::BlobServiceReport>& report)
{
    if (!report)
        return nullptr;
    return {{"url", report->url},
            {"state", report->state},
            {"why", report->why},
            {"since", to_unix(report->since)},
            {"upload", report->is_uploaded_to},
            {"uploaded", {{"files", report->uploaded_files}, {"bytes", report->uploaded_bytes}}},
            {"found", report->found_files},
            {"waiting", report->waiting_files},
            {"known", report->known_files},
            {"looked_at", to_unix(report->looked_at)},
            {"source", to_json(report->source)}};
}

}  // namespace aptward::console
