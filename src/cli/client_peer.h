// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// `aptward client setup --peer`: the small node of a machine without one. Private to cli/.

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/client_parts.h"

namespace aptward::cli {

inline constexpr const char* kPeerUrl = "http://127.0.0.1:3142";
inline constexpr const char* kPeerConfigFile = "/etc/aptward/peer.toml";
inline constexpr const char* kPeerUnit = "aptward-peer.service";
inline constexpr const char* kPeerUnitFile = "/etc/systemd/system/aptward-peer.service";

/// The hosts of the machine's http and https sources that need no password, with a port where one
/// is written; why others are left out is said in `notes`, one sentence each.
/// Fails with unavailable when a file that may hold passwords cannot be read, malformed for sources
/// that apt would not read either.
Result<std::vector<std::string>> find_shared_hosts(const std::filesystem::path& root,
                                                   std::vector<std::string>& notes);

/// What setup writes for it. `program`: this one, as the unit is to start it.
std::vector<PlannedFile> peer_files(const std::vector<std::string>& shared_hosts,
                                    const std::string& program);

/// Starts it, anew if it runs, and at every start of the machine. False: there is no systemd that
/// could (in a root that is not this machine's, in a container).
Result<bool> start_peer(const std::filesystem::path& root);
/// Ends it and removes what it kept; before its unit is removed. What fails is told on stderr.
void end_peer(const std::filesystem::path& root);
/// After its unit was removed.
void forget_peer(const std::filesystem::path& root);

}  // namespace aptward::cli
