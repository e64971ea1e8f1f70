// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Another node as the configuration and operators write it. Private to node/.

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tlog/note.h"

namespace aptward::node {

/// A peer's URL without slashes at its end. `listen`: the addresses of this node, which is none.
/// Fails with malformed.
Result<std::string> read_peer_url(std::string url, const std::vector<std::string>& listen);
/// Nothing for an empty text. Fails with malformed.
Result<std::optional<tlog::VerifierKey>> read_peer_identity(const std::string& text);

}  // namespace aptward::node
