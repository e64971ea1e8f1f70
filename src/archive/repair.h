// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Held files that a scrub found damaged, or indexes that it found missing, fetched again from
// whichever source has them (I4). On a job's thread; private to archive/.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "archive/archive.h"

namespace aptward::archive {

class Repair {
public:
    Repair(Services& services, ServedArchives archives, std::function<bool()> goes_on)
        : services_(services), archives_(std::move(archives)), goes_on_(std::move(goes_on))
    {
    }

    /// Gets the bytes of this hash, which were set aside. Fails with not_found when no release that
    /// is at hand, that a ring has, or that a pin, a name or a freeze keeps names them, else as
    /// fetching does.
    Result<void> fetch(const std::string& hex);

    /// Gets the indexes of what is served now that are not held in any form; how many there were.
    std::size_t fetch_missing_indexes();

    /// Writes the signed files of the releases at hand again where the disk has others, or none:
    /// their ids.
    std::vector<std::string> mend_releases();

private:
    /// A release that names files.
    struct Place {
        std::shared_ptr<Archive> archive;
        std::string suite;
        catalog::GenerationPtr generation;
    };

    std::vector<Place> at_hand() const;
    std::vector<Place> kept_ones();
    bool fetch_from(const std::vector<Place>& places, const Digest& wanted, Result<void>& outcome);
    Result<void> fetch(const std::shared_ptr<Archive>& archive, const fetch::Want& want);
    bool fetch_if_missing(const std::shared_ptr<Archive>& archive, const std::string& suite,
                          const catalog::Generation& generation, const std::string& base);
    std::shared_ptr<Archive> find(const std::string& id) const;

    Services& services_;
    const ServedArchives archives_;
    const std::function<bool()> goes_on_;
    std::optional<std::vector<Place>> kept_;  // when they were needed
};

}  // namespace aptward::archive
