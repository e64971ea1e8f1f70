// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The face of s3/: one bucket of an S3-compatible service, in which several nodes keep blobs.
//
// It is a source of bytes, asked after near nodes and before the internet, and what was fetched is
// uploaded to it in the background. What it gives is proven by its digest, what it lacks says
// nothing, and nothing waits for an upload. What a node needs there it says in a lease, and what
// nobody has needed for long may be deleted. docs/decisions/0030-blob-service.md, 0033-leases.md.

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "archive/archive.h"
#include "archive/blob_service.h"
#include "archive/front.h"
#include "http/event_stream.h"
#include "s3/deleter.h"
#include "s3/lease_keeper.h"
#include "s3/requests.h"
#include "s3/uploaded.h"

namespace aptward::s3 {

inline constexpr std::size_t kMostWaiting = 10'000;  ///< Files to be uploaded; guess.
/// What one put may be; a larger file stays here.
inline constexpr std::uint64_t kMostUploadedBytes = 5'000'000'000;

/// Files that wait for their upload: in the order in which they came, each once. What finds no
/// place is found again by a look at everything held. Any thread.
class UploadQueue {
public:
    enum class Why {
        is_new,       ///< It came, or was found here.
        is_believed,  ///< It is believed to be there: is it still?
        was_spoilt,   ///< What is there are other bytes.
    };
    struct Entry {
        Digest digest;
        std::string archive;  ///< That has listed it.
        Why why = Why::is_new;
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
    /// What came for an archive is uploaded when its turn comes, if other nodes may have it; also
    /// what the service was believed to have, when it has that no more.
    void note_stored(const std::vector<Digest>& digests, const std::string& archive);

    /// Looks after the service for as long as the node runs. Control loop.
    http::Async<void> keep();
    /// Ends its thread, and a look at everything held. Nothing is asked any more.
    void stop();

private:
    enum class Uploading { goes_on, pauses };
    struct Upload;
    /// What came of one file.
    struct Outcome {
        Finding finding;
        bool may_be_the_files = false;  ///< Others might be taken.
    };
    /// When something is looked at in the bucket.
    struct Seen {
        bool is_kept = false;  ///< A lease kept it there before it was seen.
        std::uint64_t turn = 0;
    };

    // service.cpp, control loop
    using Step = http::Async<SteadyTime> (Service::*)();  // gives when it wants another turn
    http::Async<void> keep_in_turn(Step step);
    http::Async<SteadyTime> one_turn(Step step);
    http::Async<SteadyTime> look_in_turn();
    http::Async<SteadyTime> upload_in_turn();
    http::Async<SteadyTime> lease_in_turn();
    http::Async<SteadyTime> delete_in_turn();
    void begin_anew();
    TargetPtr usable_target() const;
    http::Async<Finding> probe(TargetPtr target);
    http::Async<Finding> look_at_id(TargetPtr target, Answer answer);
    http::Async<Finding> put_id(TargetPtr target, std::string id);
    http::Async<Finding> put_where_denied(TargetPtr target, Finding denied);
    http::Async<void> find_out_what_denial_means(TargetPtr target);
    void note(const Finding& finding);
    void note_trouble(const Finding& finding);
    void tell(std::string code, std::string message) const;
    fetch::SourcePtr make_source(const Settings& settings);
    void note_spoilt(const Digest& digest);
    bool take_spoilt(const Digest& digest);

    // uploads.cpp, control loop
    http::Async<void> look_at_held();
    http::Async<void> upload_waiting(TargetPtr target);
    http::Async<void> upload_some(std::shared_ptr<Upload> upload);
    http::Async<void> upload_until_empty(std::shared_ptr<Upload> upload);
    http::Async<Outcome> upload_one(TargetPtr target, UploadQueue::Entry entry);
    http::Async<Outcome> put(TargetPtr target, UploadQueue::Entry entry);
    http::Async<bool> is_the_files_fault(TargetPtr target, Outcome outcome);
    http::Async<void> remember(TargetPtr target, UploadQueue::Entry entry, Seen seen);
    http::Async<void> forget(Digest digest);
    http::Async<Outcome> refuse(UploadQueue::Entry entry);
    void try_later(UploadQueue::Entry entry, const std::string& why);
    void look_again_at_unsettled();
    bool may_upload(const UploadQueue::Entry& entry) const;
    Seen about_to_see(const Digest& digest) const;
    struct Held;
    struct Asking;
    Held find_held(const Asking& asking) const;

    archive::Services& services_;
    archive::Front& front_;
    Uploaded uploaded_;
    Requests requests_;
    LeaseKeeper lease_;
    Deleter deleter_;
    UploadQueue queue_;
    std::mutex spoilt_mutex_;  // guards the next; rare
    std::set<Digest> spoilt_;  // there, as far as its bytes showed: uploaded anew when it comes
    http::Wakers waker_{4};    // of those that keep something
    std::atomic<std::shared_ptr<const Target>> target_;
    std::atomic<bool> is_stopped_{false};
    std::atomic<bool> is_readable_{false};
    std::atomic<bool> must_look_{true};  // at everything held
    std::atomic<bool> must_probe_{false};
    std::atomic<std::uint64_t> uploaded_files_{0}, uploaded_bytes_{0}, found_files_{0};
    std::atomic<std::size_t> uploading_{0};
    std::atomic<SystemTime> looked_at_held_{SystemTime{}};
    // Control loop:
    Finding finding_{Health::untried, ""};
    SystemTime since_{};
    bool knows_bucket_ = false;     // of the configuration that was read last: it was asked
    bool has_failed_put_ = false;   // what gives may take nothing: only a put shows that it does
    bool has_put_blindly_ = false;  // an id, where it was denied whether there is one
    bool knows_denial_ = false;     // what it says of what it lacks
    SteadyTime next_probe_{};
    std::uint64_t looked_at_ = 0;  // bytes that had been stored then
    SteadyTime look_again_{};
    Digest held_after_{}, believed_after_{};  // of those held the ones after these come next
    SteadyTime look_at_believed_{};
    std::map<Digest, std::string>
        unsettled_;                // seen there, and the lease does not keep it there yet
    std::set<Digest> left_alone_;  // never taken, in this run
};

}  // namespace aptward::s3
