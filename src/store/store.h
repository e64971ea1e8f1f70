// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The face of store/: blobs by digest, the journal, and the state database.
// Written down in docs/formats/store.md.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/result.h"

namespace aptward::store {

/// Blobs: files named by their hash under `blobs/sha256/ab/<hex>`, immutable, mode 0444.
/// A SHA-512 digest is a second link to the same file under `blobs/sha512/ab/<hex>`.
///
/// Crash promise: a file under its final name has its right bytes; commit() returning success
/// means a power cut does not lose it. A crash before leaves nothing (unnamed files vanish).
/// Any thread; every call may block on the disk.
class Blobs {
public:
    /// Creates the folders it needs. Fails with storage.
    static Result<std::shared_ptr<Blobs>> open(const std::filesystem::path& state);

    /// Opens a held blob for reading. Fails with not_found, storage.
    /// A file of another size counts as not held; what is no file is moved aside and reported.
    Result<Fd> read(const Digest& digest) const;

    /// Where a held blob lies: for who gives it other names, or shares its bytes.
    struct Held {
        std::filesystem::path path;
        std::uint64_t device = 0, file = 0;  ///< Which file it is.
        std::uint32_t mode = 0;
    };
    /// Nothing: it is not held. Opens nothing, and is no use of it.
    std::optional<Held> look(const Digest& digest) const;
    bool holds(const Digest& digest) const { return look(digest).has_value(); }

    /// The digest of a held blob of which only the hash is known, with its size; or nothing.
    std::optional<Digest> find(const Digest& hash_only) const;

    /// An unnamed file on the same file system, open for reading and writing.
    Result<Fd> stage() const;

    /// Gives a staged file, whose bytes the caller has hashed, its names. Syncs the bytes, links,
    /// syncs the directory. A blob that is there already is rehashed, and replaced when damaged.
    /// `digests`: every digest proven for these bytes; one of them must be SHA-256.
    Result<void> commit(const Fd& staged, const std::vector<Digest>& digests);

    /// Staged bytes with every digest proven for them; one of them must be SHA-256.
    struct Staged {
        std::shared_ptr<const Fd> file;
        std::vector<Digest> digests;
    };
    /// commit() for many at once: for many of them the file system is synced twice, instead of each
    /// file and folder. One result for each.
    std::vector<Result<void>> commit_all(const std::vector<Staged>& batch);

    /// stage, write, commit for small bytes that are in memory; returns the SHA-256 digest.
    Result<Digest> put(std::string_view bytes);

    /// Puts back what evict() had in hand when a process died. Only for who holds the state's lock.
    /// Fails with storage.
    Result<void> put_back_evicted() const;

    /// Rehashes a held blob and sets it aside when it is damaged; one that is not held is fine.
    /// Fails with storage.
    Result<void> recheck(const Digest& digest) const;

    /// Removes a blob found to be damaged: moved to `damaged/`, never served again. The latest of
    /// those stay there.
    Result<void> set_aside(const Digest& digest) const;

    /// The digests (size 0) of what was set aside and did not come again yet. Blocks on the disk.
    std::vector<Digest> set_aside_ones() const;
    /// What was set aside under this digest came again: it is not among them any more.
    void note_replaced(const Digest& digest) const;

    /// A blob's name and what the file system knows of it.
    struct Entry {
        Digest digest;
        std::uint64_t file = 0;  ///< The same for both names of one file.
        SystemTime used{};       ///< To the hour: read() and use() note it. 1970: not known.
    };
    /// Calls `visit` for each name, all of SHA-512 first, until it gives false. Blocks on the disk.
    /// Fails with storage.
    Result<void> each(const std::function<bool(const Entry&)>& visit) const;

    /// How many there are, give or take a few of a hundred: of a 256th of them.
    std::size_t estimate() const;

    /// `changed` is called, on whatever thread does it, with the digest of each blob that came or
    /// went (size 0 for what is set aside); it must not block.
    void watch(std::function<void(const Digest&)> changed)
    {
        changed_ = std::make_shared<const std::function<void(const Digest&)>>(std::move(changed));
    }

    /// Bytes that were stored since the start. Any thread.
    std::uint64_t stored_bytes() const { return stored_bytes_.load(std::memory_order_relaxed); }

    /// Notes that a held blob is needed: evict() spares what was used lately. False when it is not
    /// held.
    bool use(const Digest& digest) const;

    /// Removes a blob, unless somebody has used it since `before`. True when it is gone.
    /// Never takes one for which use() has given true since then, or that was committed since,
    /// whatever runs beside it (R27). A time that is more than a day ahead counts as long ago: a
    /// clock that was wrong once would keep everything.
    /// A crash leaves it whole, or gone. Fails with storage.
    Result<bool> evict(const Digest& digest, SystemTime before) const;

    struct ScrubReport {
        std::uint64_t checked = 0, checked_bytes = 0, total_bytes = 0;
        std::vector<std::string> damaged_names;
        std::string cursor;     ///< The last blob checked, "sha256/HEX": where to go on.
        bool is_whole = false;  ///< Came to the end.
    };
    struct ScrubOptions {
        ScrubReport before;                  ///< Of the part that was done earlier.
        std::uint64_t rate_bytes_per_s = 0;  ///< 0: as fast as the disk gives.
        /// Called often, also while it waits for its rate; false stops.
        std::function<bool(const ScrubReport&)> goes_on;
    };
    /// Rehashes every blob in the order of their names; damaged ones are set aside. Blocks for as
    /// long as that takes. Fails with storage.
    Result<ScrubReport> scrub(const ScrubOptions& options) const;

    /// Number and bytes of blobs held; walks the folders, for status only.
    struct Volume {
        std::uint64_t blobs = 0, bytes = 0;
    };
    Volume volume() const;

private:
    explicit Blobs(std::filesystem::path root) : root_(std::move(root)) {}
    std::filesystem::path path_of(const Digest& digest) const;
    std::filesystem::path eviction_path_of(const Digest& digest) const;
    Result<void> place(const Fd& staged, const Digest& digest);
    void count_stored(const std::vector<Digest>& digests);
    void tell(const Digest& digest) const
    {
        if (const auto changed = changed_.load())
            (*changed)(digest);
    }
    std::filesystem::path root_;
    std::atomic<std::shared_ptr<const std::function<void(const Digest&)>>> changed_;
    std::atomic<std::uint64_t> stored_bytes_{0};
};

/// The lock that keeps a second node off the same state (R25). Held until destroyed.
/// Fails with unavailable, naming the process that holds it.
Result<Fd> lock_state(const std::filesystem::path& state);

/// The layout of the state folder that this program reads and writes (R24).
inline constexpr int kStateFormat = 1;

/// Compares `state/format` with kStateFormat; a folder without one gets it.
/// Fails with malformed for a folder that a newer version has written, or a file that is no number.
Result<void> check_format(const std::filesystem::path& state);

}  // namespace aptward::store
