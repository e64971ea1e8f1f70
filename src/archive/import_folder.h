// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// A folder that an operator names and anybody may have filled: another program's cache or mirror.
// No name in it leads out of it, and nothing but regular files is opened. Private to archive/.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace aptward::archive {

// Debian's whole pool is half a million files: some 100 bytes of memory each.
inline constexpr std::size_t kMostStockFiles = 1'000'000;
inline constexpr std::size_t kMostStockDepth = 64;  ///< Folders in each other; guess.

/// What a walk found.
struct StockListing {
    struct File {
        std::string path;  ///< Below the folder.
        std::uint64_t size_bytes = 0;
    };
    /// Another name of a file that is listed.
    struct Twin {
        std::string path;
        std::size_t file = 0;
    };
    std::vector<File> files;  ///< Each once, however many names it has; not the empty ones.
    std::vector<Twin> twins;
    std::size_t symlinks = 0;         ///< Not followed.
    std::size_t others = 0;           ///< Devices, pipes, sockets.
    std::vector<std::string> unread;  ///< Folders that could not be read, or are too deep.
    std::size_t empty = 0;
};

/// Any one thread at a time; every call may block on the disk.
class StockFolder {
public:
    /// The last part of `path` may be a symbolic link: the operator has named it.
    /// Fails with not_found, malformed for what is no folder, storage.
    static Result<StockFolder> open(const std::filesystem::path& path);

    const std::filesystem::path& path() const { return path_; }

    /// Fails with malformed for more than kMostStockFiles; stale when `goes_on` says no.
    Result<StockListing> list(const std::function<bool()>& goes_on) const;

    /// A listed file. Fails with storage, also when it is no regular file any more.
    Result<Fd> open_file(const std::string& path) const;

private:
    class Walk;
    StockFolder(std::filesystem::path path, Fd folder)
        : path_(std::move(path)), folder_(std::move(folder))
    {
    }
    Result<Fd> open_below(const std::string& path, int flags) const;

    std::filesystem::path path_;
    Fd folder_;
};

}  // namespace aptward::archive
