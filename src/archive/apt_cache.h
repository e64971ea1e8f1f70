// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What apt keeps on this machine (/var/cache/apt/archives, /var/lib/apt/lists): one more source of
// bytes by digest, for other nodes and for this one. Nothing of it is kept twice: a file that is
// given is copied for as long as that takes, as any that is on its way. apt adds, renames and
// deletes there at any time, and root may write what he likes: a file counts as what was hashed
// here while it is the same inode of the same size and time, and what is read of it is hashed again
// on its way, as from any source.
//
// That a file is here says nothing about whether it may be given: that says the archive that lists
// it (give.cpp). apt's unfinished downloads are in folders of their own, which are not looked into.

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/pool.h"
#include "fetch/fetch.h"

namespace aptward::archive {

/// Which file it was that was hashed.
struct AptFileStamp {
    std::uint64_t inode = 0;
    std::int64_t modified_ns = 0;  ///< Since 1970.
    std::uint64_t size_bytes = 0;
    bool operator==(const AptFileStamp&) const = default;
};

/// A file of one of the folders, by its name there.
struct AptFile {
    AptFileStamp stamp;
    Digest digest;
};
using AptFiles = std::map<std::string, AptFile, std::less<>>;

/// What is remembered over a restart: of each folder. Pure.
std::string to_text(const std::vector<AptFiles>& folders);
/// Fails with malformed; losing it costs reading everything once more. Pure.
Result<std::vector<AptFiles>> parse_apt_files(std::string_view text);

class AptCache {
public:
    struct Folders {
        std::filesystem::path archives;  ///< Empty: none, as in the next.
        std::filesystem::path lists;
    };

    /// `memory`: a file of the state folder. `workers` read what is asked for, and outlive it.
    AptCache(const Folders& folders, std::filesystem::path memory, WorkerPool& workers);

    /// What a look changed.
    struct Change {
        std::vector<Digest> turned;  ///< Came or went.
        bool is_whole = true;        ///< False: the next look goes on, at once.
    };
    /// Looks at the folders and hashes what is new, some of it at a time, when nobody else wants
    /// the disk. A thread of its own, which becomes one of the background; blocks for seconds.
    Change look();

    /// Whether a file with these bytes was there at the last look. Any thread.
    bool has(const Digest& digest) const;
    /// Adds it to those who have what is wanted, if it has. Any thread.
    void add(fetch::Want& want) const;

    struct Report {
        std::size_t files = 0;
        std::uint64_t bytes = 0;
    };
    /// Any thread.
    Report report() const;

    /// A look that is under way ends. Any thread.
    void stop() { is_stopping_ = true; }

private:
    struct Folder {
        enum class Kind { archives, lists };
        Kind kind;
        std::filesystem::path path;
        AptFiles files;
        std::int64_t seen_ns = -1;  // its own time when it was listed last
    };
    struct Place {
        std::filesystem::path path;
        AptFileStamp stamp;
    };
    using Index = std::map<Digest, Place>;  // sizes are not part of the keys

    static bool is_of_interest(Folder::Kind kind, std::string_view name);
    bool look_at(Folder& folder, std::uint64_t& budget, bool& is_whole) const;
    Result<Digest> hash(const std::filesystem::path& path, const AptFileStamp& stamp) const;
    std::vector<Digest> publish();
    Result<std::string> read(const Digest& digest, std::uint64_t offset) const;

    const std::filesystem::path memory_;
    WorkerPool& workers_;
    std::vector<Folder> folders_;  // the looking thread's
    std::atomic<std::shared_ptr<const Index>> index_{std::make_shared<const Index>()};
    std::atomic<bool> is_stopping_{false};
    fetch::SourcePtr source_;
};

}  // namespace aptward::archive
