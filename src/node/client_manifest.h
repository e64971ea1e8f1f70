// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What `aptward client setup` changed on this machine, below /var/lib/aptward-client: read by undo,
// and by a node of the same machine, which must see the sources as they were.

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace aptward::node {

inline constexpr const char* kClientFolder = "/var/lib/aptward-client";

/// A file that setup wrote. Its original, when there was one, is kept in the same folder.
struct ClientFile {
    std::string path;         ///< As seen inside the root.
    std::string original;     ///< Name of the kept copy; empty: there was no file.
    std::string written_hex;  ///< SHA-256 of what setup wrote: an edit since then shows.
    ::mode_t mode = 0;        ///< Of the original.
    ::uid_t user = 0;
    ::gid_t group = 0;
};

/// A source's URI before and after. `from` may be mirror+file.
struct Rewritten {
    std::string from, to;
};

struct ClientManifest {
    std::vector<std::string> nodes;
    bool tunnels_https = false;
    std::vector<std::string> peer_hosts;  ///< What its small peer shares; empty: it has none.
    std::vector<ClientFile> files;
    std::vector<Rewritten> rewritten;

    const ClientFile* find(const std::string& path) const;
};

/// Fails with malformed for a text that is not UTF-8, which JSON cannot hold. Pure.
Result<std::string> to_json(const ClientManifest& manifest);
/// Fails with malformed. Pure.
Result<ClientManifest> parse_client_manifest(std::string_view json);

/// Fails with not_found when the machine is not set up, malformed, storage.
Result<ClientManifest> read_client_manifest(const std::filesystem::path& root);
Result<void> write_client_manifest(const std::filesystem::path& root,
                                   const ClientManifest& manifest);

/// `path` of a file below a root other than "/".
std::filesystem::path below(const std::filesystem::path& root, const std::string& path);

}  // namespace aptward::node
