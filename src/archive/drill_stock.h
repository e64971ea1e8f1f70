// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What a drill needs to know of an archive: what clients can be made to ask for, and who would miss
// what while every source is gone.

#include <cstdint>
#include <string>
#include <vector>

#include "archive/archive.h"

namespace aptward::archive {

/// What the current releases name, for one architecture.
struct DrillStock {
    /// As a line of sources.list has it.
    struct Suite {
        std::string name;
        std::vector<std::string> components;  ///< None: a flat repository.
    };
    struct Package {
        std::string name, version, path;
        std::uint64_t bytes = 0;
    };
    /// A package that is not held in the version that clients would get now.
    struct Miss {
        Package package;
        std::vector<std::string> clients;  ///< That took it, or an earlier one, lately.
    };
    std::string architecture;
    std::vector<Suite> suites;
    std::size_t listed = 0, held = 0;   ///< Packages, each in its newest version.
    std::vector<Package> some_held;     ///< Evenly over all of them.
    std::vector<Package> some_missing;  ///< The smallest.
    std::vector<Miss> misses;
};

/// `most`: how many packages of each kind it names; 0: all. `since`: from when on deliveries count.
/// Reads every index of packages that is held, and the delivery record: a job of a worker.
/// Fails with not_found when no index of packages is held, malformed, storage.
Result<DrillStock> look_at_stock(const Services& services, const Archive& archive, std::size_t most,
                                 SystemTime since);

}  // namespace aptward::archive
