// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The torrents that this node has published, over restarts. Private to peer/.
// Spec: docs/formats/torrents.md.

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "peer/request.h"
#include "swarm/metainfo.h"

namespace aptward::peer {

inline constexpr std::size_t kMostTorrents = 64;  ///< Of one node: they fit its note; guess.

struct Torrent {
    swarm::Metainfo metainfo;
    std::vector<std::string> paths;  ///< Of each file, as an index of the archive lists it.
    std::string archive;             ///< Its id, and what of it this is: for people.
    std::string what;
    SystemTime published{};
    bool operator==(const Torrent&) const = default;
};

/// What a torrent's file in the state folder has; inverses. Pure.
/// Fails with malformed.
std::string to_text(const Torrent& torrent);
Result<Torrent> parse_stored_torrent(std::string_view text);

/// Any thread. Crash promise: what publish() and stop() did lasts when they return success.
class Torrents {
public:
    using TorrentPtr = std::shared_ptr<const Torrent>;
    using ByHash = std::map<std::string, TorrentPtr, std::less<>>;

    explicit Torrents(std::filesystem::path folder) : folder_(std::move(folder)) {}

    /// Those of the run before. Gives the names of files that are none, which stay there. Blocks on
    /// the disk.
    std::vector<std::string> load();
    /// Gives the info hash. Fails with stale when there are as many as may be, storage.
    /// Blocks on the disk.
    Result<std::string> publish(Torrent torrent);
    /// Fails with not_found, storage. Blocks on the disk.
    Result<void> stop(const std::string& info_hash);

    std::shared_ptr<const ByHash> all() const { return all_.load(); }
    /// Null: it is none of them.
    TorrentPtr find(std::string_view info_hash) const;
    /// The file that somebody asks for, under the name that the index has for it.
    std::optional<AskedFile> find(const AskedShare& asked) const;

private:
    std::filesystem::path path_of(std::string_view info_hash) const;

    const std::filesystem::path folder_;
    std::mutex changing_;
    std::atomic<std::shared_ptr<const ByHash>> all_{std::make_shared<const ByHash>()};
};

}  // namespace aptward::peer
