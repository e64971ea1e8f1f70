// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Keeps this node's lease in the bucket: what it needs of it, so that nobody deletes that.
//
// A blob counts as being in the bucket only while a lease that names it has been there for long
// enough, and was seen there after that. docs/decisions/0033-leases.md says why that suffices.

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "archive/blob_service.h"
#include "archive/front.h"
#include "base/pool.h"
#include "s3/lease.h"
#include "s3/requests.h"
#include "s3/uploaded.h"

namespace aptward::s3 {

/// Control loop, but for what says otherwise.
class LeaseKeeper {
public:
    /// Tells an event. Any thread.
    using Tell = std::function<void(std::string code, std::string message)>;

    /// All outlive it. `state`: the node's folder.
    LeaseKeeper(archive::Front& front, WorkerPool& workers, Requests& requests, Uploaded& uploaded,
                std::filesystem::path state, Tell tell);

    /// Publishes when that is due. True when what it names has become safe to count on.
    http::Async<bool> keep(TargetPtr target);
    /// Whether it forgot what it believed to be there: nothing had kept it there. Once for each
    /// time.
    bool has_forgotten() { return std::exchange(has_forgotten_, false); }
    /// When keep() has something to do.
    SteadyTime next() const { return next_; }

    /// The bucket is another one, was emptied, or is asked anew.
    void begin_anew();
    /// A blob is in the bucket: false when the lease names it, or is going to be looked at anyway.
    bool want(const Digest& digest);

    /// Whether deleters go by a lease that names it: what is seen in the bucket from now on stays.
    bool covers(const Digest& digest) const;
    /// Whether the lease can still be counted on, by either clock of this node. Any thread.
    bool counts() const;

    /// The key of the lease in the bucket; empty before it was published in this run.
    const std::string& published_key() const { return published_key_; }
    /// The service's clock, from when it took the lease.
    SystemTime service_now() const;
    archive::BlobServiceReport::Lease report() const;

private:
    struct Needed {
        bool is_everything = false;
        ShortNames names;
    };
    using NeededPtr = std::shared_ptr<const Needed>;

    /// What is known of the lease that this one follows.
    struct Last {
        bool is_known = false;  ///< The service could tell.
        bool is_gap = false;    ///< It was not there all the time: nothing kept anything there.
        SystemTime modified{};
    };

    http::Async<void> publish(TargetPtr target, NeededPtr needed);
    http::Async<Last> look_at_last(TargetPtr target);
    http::Async<bool> forget_all();
    http::Async<bool> keep_only(NeededPtr needed);
    http::Async<std::optional<Answer>> put(TargetPtr target, NeededPtr needed);
    http::Async<std::optional<std::chrono::seconds>> settling(TargetPtr target);
    NeededPtr find_needed() const;
    NeededPtr find_needed_of(const archive::Routes& routes) const;
    NeededPtr both(NeededPtr one, NeededPtr other) const;
    void take_new_name();
    http::Async<void> save(std::string mark);
    void fail_for_now(std::string why);

    archive::Front& front_;
    WorkerPool& workers_;
    Requests& requests_;
    Uploaded& uploaded_;
    const Tell tell_;
    const std::filesystem::path file_;
    std::string name_;           // of the lease: random, and nobody else's
    std::string mark_;           // of what the service took last; empty: not known
    bool may_be_newer_ = false;  // it may have taken one since
    std::string published_key_;  // empty: not yet in this run
    NeededPtr named_, settled_;
    std::optional<SteadyTime> settles_;
    SteadyTime next_{}, renew_{}, looked_{};
    std::chrono::seconds pause_{2};
    bool is_wanted_ = false;
    bool has_forgotten_ = false;
    std::uint64_t turn_ = 0;   // another one when it is begun anew
    SystemTime taken_{};       // by the service's clock
    SteadyTime taken_here_{};  // the same moment
    std::string why_;
    std::atomic<SystemTime> counts_until_{SystemTime{}};
    std::atomic<SteadyTime> counts_until_too_{SteadyTime{}};
};

}  // namespace aptward::s3
