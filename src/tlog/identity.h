// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Who this node is to others: the key in `state/identity` with which it signs what it says itself.

#include <filesystem>

#include "tlog/note.h"

namespace aptward::tlog {

/// Reads the key, or makes it when there is none: mode 0600, of the owner of the state folder.
/// Two that make it at once agree on one. Fails with malformed, storage.
Result<SignerKey> load_identity(const std::filesystem::path& state);

}  // namespace aptward::tlog
