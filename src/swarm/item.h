// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Mutable items of the DHT: what their owners sign. Pure. Spec: BEP 44.

#include <string>

#include "crypto/ed25519.h"
#include "swarm/messages.h"

namespace aptward::swarm {

/// A string as it is stored out there: "5:value".
std::string bencoded(std::string_view text);

/// Signs with the owner's secret seed.
Put sign(const crypto::Ed25519Key& seed, std::string salt, std::uint64_t number, std::string value);

/// Whether its owner has signed it, and it is as short as BEP 44 wants it.
bool is_genuine(const Item& item);

}  // namespace aptward::swarm
