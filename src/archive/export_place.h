// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Files of an export: the bytes of the store under other names. Private to archive/.

#include <filesystem>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "store/store.h"

namespace aptward::archive {

/// Creates a folder and its parents for every reader, whatever the umask; one that is there stays
/// as it is. Fails with storage.
Result<void> make_public_folders(const std::filesystem::path& path);

/// Places files in the cheapest way that the file systems allow: bytes that are shared (reflink),
/// a second name of the same file (hard link), a copy. The first that fails is not tried again.
/// Everybody may read them: what only its owner may read is copied instead of linked.
class Placer {
public:
    enum class Way { reflink, link, copy };

    /// A file whose bytes are to be placed.
    struct From : store::Blobs::Held {
        std::uint64_t size_bytes = 0;
    };
    /// The bytes of `from` as `target`, which appears whole; folders are made. What stands there
    /// already stays when it is the same file, or has this size and this time: an earlier export's.
    /// True when it was placed now. Nothing is synced. Fails with storage, and with not_found when
    /// `from` is gone or is another file by now.
    Result<bool> place(const From& from, const std::filesystem::path& target, SystemTime modified);

    /// The same for bytes in memory.
    static Result<void> write(std::string_view bytes, const std::filesystem::path& target,
                              SystemTime modified);

    /// How the last one was placed.
    Way way() const { return way_; }

private:
    Result<bool> try_reflink(const From& from, const std::filesystem::path& target,
                             SystemTime modified) const;
    Way way_ = Way::reflink;
    std::filesystem::path made_;  // the folder that is known to be there
};
std::string_view to_string(Placer::Way way);

}  // namespace aptward::archive
