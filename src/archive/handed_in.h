// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Releases and bytes that no source gave: a bundle or a folder hands them in, and a job takes them.
// Private to archive/.

#include <memory>
#include <string>
#include <vector>

#include "archive/archive.h"
#include "archive/jobs.h"

namespace aptward::archive {

/// One release on its way to its suite.
struct HandedIn {
    std::shared_ptr<Archive> archive;
    std::string suite;
    catalog::ReleaseFiles files;
    std::vector<std::string> indexes;  ///< Paths in it whose bytes were handed in as well.
    Offered offered{};
};

/// Archive::assess() and Archive::offer() for a job's thread; what they say is in `offered`.
/// Fail with stale when the job was told to stop, unavailable.
Result<void> assess(const Services& services, const Jobs::Run& run, HandedIn& release,
                    const std::string& origin);
Result<void> offer(const Services& services, const Jobs::Run& run, HandedIn& release,
                   const std::string& origin);

/// What it says, believed or not. Fails with malformed. Pure.
Result<deb::Release> read_release(const catalog::ReleaseFiles& files);

/// What names files at this moment: of each suite the current one and those before it.
std::vector<catalog::GenerationPtr> generations_of(const catalog::ArchiveView& view);

/// What is to be done with proven bytes that are handed in for an archive.
enum class Keeping {
    wanted,
    held,      ///< Nothing: it has them.
    withheld,  ///< Nothing: another archive has them for its clients' credentials.
};
/// `digests`: all that they are to be known by. Blocks on the disk.
Keeping keeping_of(const Services& services, const ArchiveSettings& settings,
                   const std::vector<Digest>& digests);

/// Proven bytes on their way into the store: many are synced at once. On a job's thread.
class Batch {
public:
    explicit Batch(Services& services) : services_(services) {}

    /// `digests`: all that were proven for these staged bytes. Durable after flush() only.
    /// Fails with storage.
    Result<void> add(const ArchiveSettings& settings, Fd staged, std::vector<Digest> digests);
    Result<void> flush();

    std::uint64_t stored_bytes() const { return stored_bytes_; }

private:
    Services& services_;
    std::vector<store::Blobs::Staged> waiting_;
    std::uint64_t waiting_bytes_ = 0, stored_bytes_ = 0;
};

}  // namespace aptward::archive
