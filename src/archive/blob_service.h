// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// A store of blobs that several nodes share. s3/ speaks to it; archive/ only says what is wanted.
// docs/decisions/0030-blob-service.md.

#include <cstdint>
#include <optional>
#include <string>

#include "fetch/fetch.h"
#include "http/task.h"

namespace aptward::archive {

/// What `status` and the metrics show of it.
struct BlobServiceReport {
    std::string url;    ///< With the bucket; no credentials.
    std::string state;  ///< "untried", "good", "unreachable", "denied", "no-bucket", "full"
    std::string why;    ///< One sentence, where it is not good.
    SystemTime since{};
    bool is_uploaded_to = false;
    std::uint64_t uploaded_files = 0, uploaded_bytes = 0;  ///< Since the start.
    std::uint64_t found_files = 0;    ///< Since the start: they were there already.
    std::uint64_t waiting_files = 0;  ///< To be uploaded, with those under way.
    std::uint64_t known_files = 0;    ///< That it has, as far as this node has looked.
    SystemTime
        looked_at{};  ///< At all that is held, for what is to be uploaded; the epoch: not yet.
    std::uint64_t left_alone_files = 0;  ///< Held, and never taken by it.
    std::uint64_t unsettled_files = 0;   ///< There, and not yet counted on: see `lease`.

    /// What this node says it needs there.
    struct Lease {
        std::string name;    ///< Of the object, below "leases/".
        SystemTime taken{};  ///< By the service's clock; the epoch: not yet in this run.
        std::uint64_t names = 0;
        bool is_everything = false;  ///< Too many to name them.
        bool is_settled = false;     ///< What it names can be counted on.
        std::string why;             ///< One sentence, where it could not be renewed.
    } lease;

    /// What this node deletes there.
    struct Deleting {
        std::chrono::seconds after{0};  ///< 0: it deletes nothing.
        bool is_dry_run = false;
        SystemTime looked_at{};  ///< At everything there; the epoch: not yet.
        std::string why;         ///< One sentence, where nothing could be deleted.
        std::uint64_t leases = 0, expired_leases = 0;
        std::uint64_t objects = 0;                             ///< Blobs that are there.
        std::uint64_t unneeded_files = 0, unneeded_bytes = 0;  ///< Named by no lease.
        std::uint64_t due_files = 0, due_bytes = 0;  ///< Of those, for long enough: deleted next.
        std::uint64_t deleted_files = 0, deleted_bytes = 0;  ///< Since the start.
    } deleting;

    fetch::SourceReport source;
};

class BlobService {
public:
    virtual ~BlobService() = default;

    /// Whether it is asked for what is wanted. Any thread.
    virtual bool is_readable() const = 0;

    /// Adds it to those who may have these bytes, while it answers. Any thread.
    virtual void add(fetch::Want& want) const = 0;

    /// Whether this node has seen these bytes there: it has asked the service for their size after
    /// the upload. Any thread.
    virtual bool has(const Digest& digest) const = 0;

    /// Nothing when none is configured. Any loop.
    virtual http::Async<std::optional<BlobServiceReport>> report() = 0;
};

}  // namespace aptward::archive
