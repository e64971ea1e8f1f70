// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Which of several near nodes fetches what none of them holds, so that the line to the internet
// carries it once. Pure. Rendezvous hashing (Thaler and Ravishankar, 1998): every node comes to the
// same order without a word, and one that goes away changes the order of nobody else.

#include <string>
#include <vector>

#include "base/digest.h"

namespace aptward::peer {

/// The places of those in `others` (keys as text) who fetch this rather than `self`, the first one
/// first.
std::vector<std::size_t> delegates_for(const Digest& digest, const std::string& self,
                                       const std::vector<std::string>& others);

}  // namespace aptward::peer
