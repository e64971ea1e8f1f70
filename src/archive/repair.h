// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What was held and is damaged or gone, fetched again from whichever source has it (I4). On a job's
// thread; private to archive/.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "archive/archive.h"
#include "archive/delivered.h"
#include "archive/remembered.h"

namespace aptward::archive {

class Repair {
public:
    Repair(Services& services, ServedArchives archives, std::function<bool()> goes_on)
        : services_(services), archives_(std::move(archives)), goes_on_(std::move(goes_on))
    {
    }

    /// What became of a file.
    struct Outcome {
        std::string name;  ///< "pool/foo_1_all.deb of debian bookworm"
        Result<void> fetched;
    };
    using Tell = std::function<void(const Outcome&)>;

    /// Gets the bytes of this hash, which were set aside. Nothing when no release that is at hand,
    /// that a ring has, or that a pin, a name or a freeze keeps names them.
    std::optional<Outcome> fetch(const Digest& hash_only);

    /// Gets the indexes of what is served now that are not held in any form.
    void fetch_missing_indexes(const Tell& tell);

    /// Gets what is not held of `wanted` and named by a release that is served or kept.
    void fetch_missing_files(const FileKeys& wanted, const Tell& tell);

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

    /// A file that one names.
    struct Named {
        fetch::Want want;
        std::string path;
    };

    static std::optional<Named> find_named(const Place& place, const Digest& wanted);
    static Named named_by(const Place& place, std::string_view path, const Digest& digest);
    static std::string name_of(const Place& place, const Named& named);

    std::vector<Place> at_hand() const;
    const std::vector<Place>& kept_ones();
    bool fetch_from(const std::vector<Place>& places, const Digest& wanted,
                    std::optional<Outcome>& outcome);
    Result<void> fetch(const std::shared_ptr<Archive>& archive, const fetch::Want& want);
    std::set<std::string> needed_indexes(const Place& place, const Remembered& remembered) const;
    void fetch_if_missing(const Place& place, const std::string& base, const Tell& tell);
    std::shared_ptr<Archive> find(const std::string& id) const;

    Services& services_;
    const ServedArchives archives_;
    const std::function<bool()> goes_on_;
    std::optional<std::vector<Place>> kept_;                 // when they were needed
    std::set<std::string> tried_;                            // digests
    std::map<const Archive*, std::size_t> silent_in_a_row_;  // fetches to which no source answered
};

}  // namespace aptward::archive
