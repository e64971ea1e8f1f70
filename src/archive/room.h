// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Whether there is room for what is handed in. Private to archive/.

#include <cstdint>
#include <filesystem>
#include <functional>

#include "archive/archive.h"
#include "archive/quota.h"

namespace aptward::archive {

struct RoomSettings {
    std::filesystem::path state;  ///< On its disk the blobs are.
    const Quota& quota;
    FindArchive find_archive;
};

/// For one import, on its job's thread.
class Room {
public:
    Room(Services& services, const RoomSettings& settings)
        : services_(services), settings_(settings)
    {
    }

    /// With a quota: counts what of the held files is needed, a walk through all of them.
    /// Fails with storage; stale when `goes_on` says no.
    Result<void> look(const std::function<bool()>& goes_on);

    /// Whether so many bytes more may come: a disk that is filled to the brim is worse for the node
    /// than what stays outside, and what the quota would take away again is not taken in.
    /// Fails with storage, naming what is wanted and what there is.
    Result<void> check(std::uint64_t bytes) const;

    /// So many have come.
    void take(std::uint64_t bytes) { taken_bytes_ += bytes; }

private:
    Result<void> check_disk(std::uint64_t bytes) const;
    Result<void> check_quota(std::uint64_t bytes) const;

    Services& services_;
    const RoomSettings& settings_;
    std::uint64_t needed_bytes_ = 0, taken_bytes_ = 0;
};

}  // namespace aptward::archive
