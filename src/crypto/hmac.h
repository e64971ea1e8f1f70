// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// A keyed hash, for services that want requests signed with a shared secret.

#include <string>
#include <string_view>

namespace aptward::crypto {

/// HMAC-SHA-256 of any bytes: 32 raw bytes. Pure. Spec: RFC 2104, RFC 6234.
std::string hmac_sha256(std::string_view key, std::string_view bytes);

}  // namespace aptward::crypto
