// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Files of a foreign folder on their way into the store. Private to archive/.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "archive/handed_in.h"
#include "archive/room.h"
#include "base/file.h"

namespace aptward::archive {

/// What became of a file.
enum class StockFate : std::uint8_t {
    unnamed,  ///< No release names its bytes.
    release,  ///< It is one itself.
    stored,
    held,     ///< Its bytes were there already.
    differs,  ///< Its name is listed, its bytes are not: damaged, or of another archive.
    unreadable,
};

/// On a job's thread.
class StockStore {
public:
    StockStore(Services& services, Room& room) : services_(services), room_(room), batch_(services)
    {
    }

    /// The archive that names these bytes; null when none does.
    using Find = std::function<const ArchiveSettings*(const Digest&)>;

    /// Copies and hashes a file of this size in one reading: what is stored is what was hashed,
    /// whatever happens to it meanwhile. Durable after flush() only.
    /// Gives stored, held, unreadable or unnamed. Fails with storage.
    Result<StockFate> take(const Fd& file, std::uint64_t size_bytes, bool has_sha512,
                           const Find& find);

    Result<void> flush() { return batch_.flush(); }

    /// Whether these bytes came by in the folder, and are proven.
    bool has_proven(const Digest& digest) const { return proven_.count(digest) > 0; }
    std::uint64_t stored_bytes() const { return batch_.stored_bytes(); }

private:
    struct Copy {
        Fd staged;
        Digest sha256;
        std::optional<Digest> sha512;
    };
    Result<std::optional<Copy>> copy(const Fd& file, std::uint64_t size_bytes, bool has_sha512);

    Services& services_;
    Room& room_;
    Batch batch_;
    std::unordered_set<Digest, DigestHash> proven_;
    std::string buffer_;
};

}  // namespace aptward::archive
