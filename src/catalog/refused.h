// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Folder `refused/`: the very bytes of releases that the policy refused, kept as evidence (V42).
// docs/formats/store.md.

#include <filesystem>
#include <string>
#include <vector>

#include "catalog/catalog.h"

namespace aptward::catalog {

inline constexpr std::size_t kMostRefused = 64;
inline constexpr std::uint64_t kLargestRefused = 10'000'000;  ///< Of one; what is over is cut off.

/// Bounded: the oldest goes when another comes, so that a hostile source cannot fill the disk.
/// Lives on the state thread; reading is possible beside a running node.
class Refused {
public:
    struct Entry {
        std::string id;  ///< Release id, or SHA-256 of the bytes where they are no release at all.
        std::string archive, suite, source;
        std::string code, message;  ///< The verdict.
        SystemTime time{};
        bool is_cut = false;  ///< The files are not whole.
        ReleaseFiles files;
    };
    static Result<Refused> open(const std::filesystem::path& state);
    /// For reading only: creates nothing.
    static Refused look_at(const std::filesystem::path& state);

    /// Keeps the first of equal ones (same id and code), so that a refusal that is repeated
    /// every minute writes once.
    Result<void> put(Entry entry) const;
    /// Fails with not_found, malformed.
    Result<Entry> get(const std::string& id) const;
    /// Oldest first, without the files.
    std::vector<Entry> all() const;

private:
    explicit Refused(std::filesystem::path folder) : folder_(std::move(folder)) {}
    Result<Entry> describe(const std::string& id) const;
    void make_room() const;
    std::filesystem::path folder_;
};

}  // namespace aptward::catalog
