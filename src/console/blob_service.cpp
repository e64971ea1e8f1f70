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

namespace {

nlohmann::json to_json(const archive::BlobServiceReport::Lease& lease)
{
    return {{"name", lease.name},          {"taken", to_unix(lease.taken)},
            {"names", lease.names},        {"everything", lease.is_everything},
            {"settled", lease.is_settled}, {"why", lease.why}};
}

nlohmann::json to_json(const archive::BlobServiceReport::Deleting& deleting)
{
    const auto count = [](std::uint64_t files, std::uint64_t bytes) {
        return nlohmann::json{{"files", files}, {"bytes", bytes}};
    };
    return {{"after", deleting.after.count()},
            {"dry_run", deleting.is_dry_run},
            {"looked_at", to_unix(deleting.looked_at)},
            {"why", deleting.why},
            {"leases", deleting.leases},
            {"expired_leases", deleting.expired_leases},
            {"objects", deleting.objects},
            {"unneeded", count(deleting.unneeded_files, deleting.unneeded_bytes)},
            {"due", count(deleting.due_files, deleting.due_bytes)},
            {"deleted", count(deleting.deleted_files, deleting.deleted_bytes)}};
}

}  // namespace

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
            {"left_alone", report->left_alone_files},
            {"unsettled", report->unsettled_files},
            {"lease", to_json(report->lease)},
            {"deleting", to_json(report->deleting)},
            {"source", to_json(report->source)}};
}

}  // namespace aptward::console
