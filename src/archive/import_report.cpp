// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/import_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace aptward::archive {
namespace {

using Json = nlohmann::json;
using Outcome = Offered::Outcome;

constexpr std::size_t kMostNamed = 20;        // files, in the result
constexpr std::size_t kMostReleaseNames = 5;  // in the sentence

void note(std::vector<std::string>& names, const std::string& path)
{
    if (names.size() < kMostNamed)
        names.push_back(printable(path));
}

std::string text_of(const StockReport::Release& release)
{
    if (release.archive.empty())
        return fmt::format("{}: not taken ({}: {})", printable(release.path), release.code,
                           release.message);
    std::string text =
        fmt::format("{} {}: {}", release.archive, printable(release.suite), release.outcome);
    if (release.outcome == to_string(Outcome::held) ||
        release.outcome == to_string(Outcome::refused))
        text += fmt::format(" ({}: {})", release.code, release.message);
    return text;
}

}  // namespace

StockReport make_report(std::string folder, const StockListing& listing,
                        const std::vector<StockFate>& fates,
                        const std::vector<FoundRelease>& releases)
{
    StockReport report;
    report.folder = std::move(folder);
    report.files = listing.files.size() + listing.empty;
    report.symlinks = listing.symlinks;
    report.others = listing.others;
    report.empty = listing.empty;
    report.unread_folders = listing.unread.size();
    for (const std::string& path : listing.unread)
        note(report.unreadables, path);
    for (std::size_t i = 0; i < fates.size(); ++i) {
        switch (fates[i]) {
            case StockFate::unnamed:
                ++report.unnamed;
                break;
            case StockFate::release:
                break;
            case StockFate::stored:
                ++report.stored;
                break;
            case StockFate::held:
                ++report.held;
                break;
            case StockFate::differs:
                ++report.differs;
                note(report.differing, listing.files[i].path);
                break;
            case StockFate::unreadable:
                ++report.unreadable;
                note(report.unreadables, listing.files[i].path);
                break;
        }
    }
    for (const FoundRelease& found : releases) {
        const HandedIn& handed = found.handed;
        const bool has_home = handed.archive != nullptr;
        const trust::Verdict& verdict = has_home ? handed.offered.verdict : found.refusal;
        report.releases.push_back(
            {found.path, has_home ? handed.archive->settings().id : "", handed.suite,
             std::string(to_string(has_home ? handed.offered.outcome : Outcome::refused)),
             verdict.code, verdict.message});
    }
    return report;
}

std::string to_json(const StockReport& report)
{
    Json releases = Json::array();
    for (const StockReport::Release& release : report.releases)
        releases.push_back({{"path", printable(release.path)},
                            {"archive", release.archive},
                            {"suite", printable(release.suite)},
                            {"outcome", release.outcome},
                            {"code", release.code},
                            {"message", release.message}});
    return Json({{"folder", report.folder},
                 {"files", report.files},
                 {"releases", releases},
                 {"stored", report.stored},
                 {"bytes", report.stored_bytes},
                 {"held", report.held},
                 {"unnamed", report.unnamed + report.empty},
                 {"differing", report.differs},
                 {"differing_files", report.differing},
                 {"unreadable", report.unreadable + report.unread_folders},
                 {"unreadable_files", report.unreadables},
                 {"symlinks", report.symlinks},
                 {"others", report.others}})
        .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_text(const StockReport& report)
{
    std::string text;
    for (std::size_t i = 0; i < std::min(report.releases.size(), kMostReleaseNames); ++i)
        text += text_of(report.releases[i]) + "; ";
    if (report.releases.size() > kMostReleaseNames)
        text += fmt::format("{} more releases; ", report.releases.size() - kMostReleaseNames);
    text += fmt::format("{} files stored, {}; {} were held already; {} files that no release names",
                        report.stored, human_size(report.stored_bytes), report.held,
                        report.unnamed + report.empty);
    if (report.differs > 0)
        text += fmt::format("; {} that are not what is listed under their name, the first: {}",
                            report.differs, report.differing.front());
    if (report.unreadable + report.unread_folders > 0)
        text += fmt::format("; {} that could not be read, the first: {}",
                            report.unreadable + report.unread_folders, report.unreadables.front());
    if (report.symlinks > 0)
        text += fmt::format("; {} symbolic links not followed", report.symlinks);
    if (report.others > 0)
        text += fmt::format("; {} devices, pipes and sockets", report.others);
    return text;
}

}  // namespace aptward::archive
