// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Which held bytes came for credentials (archive-reality 14): another archive that lists their
// digest has to fetch them from its own sources before it gives them to anybody. Else whoever signs
// one archive could have the files of a private one.

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "store/store.h"

namespace aptward::store {

/// Empty files `private/ARCHIVE/ALGORITHM-HEX`, and the same in memory.
///
/// Crash promise: a mark that settle() returned success for survives a power cut, so that marking
/// before Blobs::commit() leaves no held bytes unmarked. Any thread; settle() blocks on the
/// disk.
class PrivateMarks {
public:
    /// Reads the marks below `state`. Fails with storage.
    Result<void> open(const std::filesystem::path& state);

    /// Whether `archive` may give these bytes away as they are held: nobody marked them, or it did.
    bool may_give(const Digest& digest, std::string_view archive) const;

    /// Before these bytes are committed under all their digests: `owner` is the archive for whose
    /// credentials they came; empty: they came without any. Fails with storage.
    Result<void> settle(const Blobs& blobs, const std::vector<Digest>& digests,
                        const std::string& owner);

private:
    /// They came for credentials of this archive. Fails with storage.
    Result<void> add(const std::vector<Digest>& digests, const std::string& archive);

    /// They came without any: they are no secret.
    void remove(const std::vector<Digest>& digests);
    std::filesystem::path path_of(const std::string& archive, const std::string& name) const;

    std::filesystem::path root_;
    std::atomic<bool> has_any_{false};  // most nodes never take the lock
    mutable std::mutex mutex_;
    std::map<std::string, std::set<std::string, std::less<>>> archives_;  // by "ALGORITHM-HEX"
};

}  // namespace aptward::store
