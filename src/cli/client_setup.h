// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// `aptward client setup` itself. Private to cli/.

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/client_parts.h"

namespace aptward::cli {

/// The small peer that setup wrote before; none without.
OwnPeer own_peer(const node::ClientManifest& manifest);

struct SetupOptions {
    std::filesystem::path root = "/";
    std::vector<std::string> nodes;
    bool is_dry = false;
    bool rewrites_https = false;
    bool tunnels_https = false;
    bool is_peer = false;
};
int client_setup(const SetupOptions& options);

struct Ownership {
    ::mode_t mode = 0644;
    ::uid_t user = 0;
    ::gid_t group = 0;
};
/// Like write_file_durably, with exactly this mode whatever the umask, and this owner when we may.
Result<void> write_file_as(const std::filesystem::path& path, std::string_view bytes,
                           const Ownership& ownership);

}  // namespace aptward::cli
