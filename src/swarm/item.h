// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Mutable items of the DHT: what their owners sign. Pure. Spec: BEP 44.

#include <functional>
#include <string>
#include <string_view>

#include "swarm/messages.h"

namespace aptward::swarm {

/// A string as it is stored out there: "5:value".
std::string bencoded(std::string_view text);

/// `signer` gives the 64 bytes of `owner`'s signature.
Put sign(const PublicKey& owner, std::string salt, std::uint64_t number, std::string value,
         const std::function<std::string(std::string_view)>& signer);

/// Whether its owner has signed it, and it is as short as BEP 44 wants it.
bool is_genuine(const Item& item);

}  // namespace aptward::swarm
