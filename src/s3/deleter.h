// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Deletes in the bucket what no node has needed for long. docs/decisions/0033-leases.md.
//
// Several may do so at once: each waits by itself, and what is gone already is no fault.

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "archive/blob_service.h"
#include "base/pool.h"
#include "s3/lease_keeper.h"
#include "s3/requests.h"
#include "s3/unneeded.h"
#include "s3/uploaded.h"

namespace aptward::s3 {

inline constexpr std::size_t kMostLeases = 1000;  ///< Of one bucket; guess.

/// How long one look at the leases may be gone by, where so long has to pass before anything is
/// deleted. Pure.
std::chrono::seconds within_of(std::chrono::seconds delete_after);

/// Control loop.
class Deleter {
public:
    /// All outlive it. `state`: the node's folder.
    Deleter(WorkerPool& workers, Requests& requests, const Uploaded& uploaded,
            const LeaseKeeper& lease, std::filesystem::path state, LeaseKeeper::Tell tell);

    /// Looks at everything in the bucket when that is due, and deletes what may go.
    http::Async<void> keep(TargetPtr target);
    SteadyTime next() const { return next_; }
    /// A reload: it is looked at once more.
    void begin_anew()
    {
        next_ = SteadyTime{};
        ++turn_;
    }
    archive::BlobServiceReport::Deleting report() const { return report_; }

private:
    /// What all nodes need, as far as their leases say.
    struct Leases {
        ShortNames names;
        bool needs_everything = false;
        std::uint64_t count = 0, expired = 0;
        SteadyTime read{};      ///< When the reading began.
        SystemTime read_too{};  ///< The same moment: the other clock stands while a machine sleeps.
        std::string why;        ///< Why nothing may be deleted by them; empty: it may.
    };
    struct Look;
    struct Found {
        Digest digest;
        std::string key;
        SystemTime modified{};
    };

    http::Async<void> look_at_all(TargetPtr target);
    http::Async<std::string> look_at_notice(std::shared_ptr<Look> look);
    http::Async<void> read_leases(std::shared_ptr<Look> look);
    http::Task<std::set<std::string>> list_leases(TargetPtr target);
    http::Async<void> read_lease(std::shared_ptr<Look> look, std::string key);
    http::Async<bool> look_at_part(std::shared_ptr<Look> look, std::uint8_t part);
    http::Async<bool> remove_due(std::shared_ptr<Look> look, std::vector<Found> due);
    http::Async<void> save();
    Moment now() const;
    void tell_of(const Look& look);
    void tell_trouble(std::string why);

    WorkerPool& workers_;
    Requests& requests_;
    const Uploaded& uploaded_;
    const LeaseKeeper& lease_;
    const std::filesystem::path file_;
    const LeaseKeeper::Tell tell_;
    Unneeded unneeded_;
    bool is_loaded_ = false;
    std::set<std::string> known_leases_;  // also what a list that lags does not show
    std::string known_bucket_;
    SteadyTime next_{};
    std::uint64_t turn_ = 0;  // another one when it is begun anew
    archive::BlobServiceReport::Deleting report_;
    std::uint64_t told_due_ = 0;
};

}  // namespace aptward::s3
