// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Other names of the vendors' own archives (archive-reality 21). Pure.

#include <string>
#include <vector>

namespace aptward::archive {

/// Further prefixes that mean the same archive as `hosts` do: country mirrors, clouds, the vendor's
/// own hosts ("*.archive.ubuntu.com/ubuntu"). Empty for an archive that is none of theirs.
std::vector<std::string> host_aliases(const std::vector<std::string>& hosts);

}  // namespace aptward::archive
