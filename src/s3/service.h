// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The face of s3/: one bucket of an S3-compatible service, in which several nodes keep blobs.
//
// It is a source of bytes, asked after near nodes and before the internet, and what was fetched is
// uploaded to it in the background. What it gives is proven by its digest, what it lacks says
// nothing, and nothing waits for an upload. Nothing in the bucket is listed or deleted.
// docs/decisions/0030-blob-service.md.

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "archive/archive.h"
#include "archive/blob_service.h"
#include "archive/front.h"
#include "http/client.h"
#include "http/event_stream.h"
#include "s3/health.h"
#include "s3/sign.h"
#include "s3/uploaded.h"

namespace aptward::s3 {

/// One [[blob-service]].
struct Settings {
    std::string url;     ///< "https://s3.example:9000", no trailing slash
    std::string bucket;  ///< Addressed by path: it is no part of the host.
    std::string prefix;  ///< Before the names of all objects; empty, or with a slash at its end.
    std::string region = "us-east-1";
    Credentials credentials;
    std::string ca;  ///< As fetch::SourceSettings has it.
    bool is_uploaded_to = true;
    std::uint64_t upload_rate_bytes_per_s = 0;  ///< 0: as fast as it takes them.
};

inline constexpr std::size_t kMostWaiting = 10'000;  ///< Files to be uploaded; guess.
/// What one put may be; a larger file stays here.
inline constexpr std::uint64_t kMostUploadedBytes = 5'000'000'000;

/// Files that wait for their upload: in the order in which they came, each once. What finds no
/// place is found again by a look at everything held. Any thread.
class UploadQueue {
public:
    struct Entry {
        Digest digest;
        std::string archive;  ///< That has listed it.
        unsigned tries = 0;
    };
    /// False: it is full. True also for what waits already.
    bool add(Entry entry);
    std::optional<Entry> take();
    std::size_t size() const;
    void clear();

private:
    mutable std::mutex mutex_;
    std::deque<Entry> entries_;
    std::set<Digest> waiting_;
};

class Service : public archive::BlobService {
public:
    /// Both outlive it. `state`: the node's folder.
    Service(archive::Services& services, archive::Front& front, std::filesystem::path state,
            std::optional<Settings> settings);

    /// A reload. Any thread.
    void use(std::optional<Settings> settings);

    // Any thread
    void add(fetch::Want& want) const override;
    bool has(const Digest& digest) const override;
    bool is_readable() const override { return target_.load() != nullptr && is_readable_; }
    http::Async<std::optional<archive::BlobServiceReport>> report() override;
    /// What came for an archive is uploaded when its turn comes, if other nodes may have it.
    void note_stored(const std::vector<Digest>& digests, const std::string& archive);

    /// Looks after the service for as long as the node runs. Control loop.
    http::Async<void> keep();
    /// Ends its thread. Nothing is asked any more.
    void stop();

private:
    struct Target {
        Settings settings;
        fetch::SourcePtr source;
    };
    using TargetPtr = std::shared_ptr<const Target>;
    enum class Uploading { goes_on, pauses };
    struct Asked;
    struct Upload;

    // service.cpp, control loop
    http::Async<Answer> ask(http::UpstreamRequest request);
    http::UpstreamRequest request_for(const Target& target, http::UpstreamRequest::Method method,
                                      std::string_view key, std::string_view body_sha256) const;
    http::Async<Finding> probe(TargetPtr target);
    http::Async<Finding> put_id(TargetPtr target, std::string id);
    http::Async<void> look_after(TargetPtr target);
    http::Async<void> look_after_safely(TargetPtr target);
    void note(const Finding& finding);
    void tell(std::string code, std::string message) const;

    // uploads.cpp, control loop
    http::Async<void> look_at_held();
    http::Async<void> upload_waiting(TargetPtr target);
    http::Async<void> upload_some(std::shared_ptr<Upload> upload);
    http::Async<void> upload_until_empty(std::shared_ptr<Upload> upload);
    http::Async<Finding> upload_one(TargetPtr target, UploadQueue::Entry entry);
    http::Async<Finding> put(TargetPtr target, UploadQueue::Entry entry);
    http::Async<void> remember(Digest digest);
    http::Async<Finding> refuse(UploadQueue::Entry entry);
    bool may_upload(const UploadQueue::Entry& entry) const;
    std::vector<UploadQueue::Entry> find_held();

    archive::Services& services_;
    archive::Front& front_;
    Uploaded uploaded_;
    UploadQueue queue_;
    http::Wakers waker_{1};  // of keep()
    std::atomic<std::shared_ptr<const Target>> target_;
    std::mutex client_mutex_;               // guards the making and the end of the next
    std::unique_ptr<http::Client> client_;  // made with the first target
    bool is_stopped_ = false;
    std::atomic<bool> is_readable_{false};
    std::atomic<bool> must_look_{true};  // at everything held
    std::atomic<bool> must_probe_{false};
    std::atomic<std::uint64_t> uploaded_files_{0}, uploaded_bytes_{0}, found_files_{0};
    std::atomic<std::size_t> uploading_{0};
    std::atomic<SystemTime> looked_at_held_{SystemTime{}};
    // Control loop:
    Finding finding_{Health::untried, ""};
    SystemTime since_{};
    bool has_failed_put_ = false;  // what gives may take nothing: only a put shows that it does
    SteadyTime next_probe_{};
    std::uint64_t looked_at_ = 0;  // bytes that had been stored then
    SteadyTime look_again_{};
};

}  // namespace aptward::s3
