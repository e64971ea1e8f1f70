// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/handed_in.h"

#include <algorithm>
#include <utility>

#include "http/blocking.h"

namespace aptward::archive {
namespace {

// Each has a descriptor, and what is not synced is done again after a crash.
constexpr std::size_t kMostInBatch = 256;
constexpr std::uint64_t kBatchBytes = 256ULL << 20;

}  // namespace

// Copies: the job may be told to stop while the loop still works on it.
Result<void> assess(const Services& services, const Jobs::Run& run, HandedIn& release,
                    const std::string& origin)
{
    auto judging = [archive = release.archive, suite = release.suite, files = release.files,
                    origin]() -> http::Task<Offered> {
        co_return co_await archive->assess(suite, files, origin);
    };
    TRY(release.offered, http::block_on(services.control, "judging what is handed in",
                                        std::move(judging), [&run] { return run.goes_on(); }));
    return {};
}

Result<void> offer(const Services& services, const Jobs::Run& run, HandedIn& release,
                   const std::string& origin)
{
    auto offering = [archive = release.archive, suite = release.suite, files = release.files,
                     origin, indexes = release.indexes]() -> http::Task<Offered> {
        co_return co_await archive->offer(suite, files, origin, indexes);
    };
    TRY(release.offered, http::block_on(services.control, "taking what is handed in",
                                        std::move(offering), [&run] { return run.goes_on(); }));
    return {};
}

Result<deb::Release> read_release(const catalog::ReleaseFiles& files)
{
    if (files.inrelease.empty())
        return deb::parse_release(files.release);
    TRY(const auto text, crypto::split_clearsigned(files.inrelease));
    return deb::parse_release(text.text);
}

std::vector<catalog::GenerationPtr> generations_of(const catalog::ArchiveView& view)
{
    std::vector<catalog::GenerationPtr> all;
    for (const auto& [name, suite] : view.suites) {
        if (suite.current)
            all.push_back(suite.current);
        all.insert(all.end(), suite.recent.begin(), suite.recent.end());
    }
    return all;
}

Keeping keeping_of(const Services& services, const ArchiveSettings& settings,
                   const std::vector<Digest>& digests)
{
    const bool is_held = std::all_of(digests.begin(), digests.end(), [&](const Digest& digest) {
        return services.blobs.use(digest);
    });
    const bool is_given = std::all_of(digests.begin(), digests.end(), [&](const Digest& digest) {
        return services.private_marks.may_give(digest, settings.id);
    });
    if (!is_held)
        return Keeping::wanted;
    if (is_given)
        return Keeping::held;
    // What another archive holds for its clients' credentials stays theirs.
    return settings.is_private ? Keeping::wanted : Keeping::withheld;
}

Result<void> Batch::add(const ArchiveSettings& settings, Fd staged, std::vector<Digest> digests)
{
    TRY_VOID(services_.private_marks.settle(services_.blobs, digests,
                                            settings.is_private ? settings.id : ""));
    waiting_bytes_ += digests.front().size_bytes;
    waiting_.push_back({std::make_shared<const Fd>(std::move(staged)), std::move(digests)});
    if (waiting_.size() >= kMostInBatch || waiting_bytes_ >= kBatchBytes)
        return flush();
    return {};
}

Result<void> Batch::flush()
{
    const auto results = services_.blobs.commit_all(waiting_);
    waiting_.clear();
    for (const Result<void>& result : results)
        TRY_VOID(result);
    stored_bytes_ += std::exchange(waiting_bytes_, 0);
    return {};
}

}  // namespace aptward::archive
