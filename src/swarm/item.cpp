// SPDX-License-Identifier: GPL-3.0-or-later
#include "swarm/item.h"

#include <fmt/format.h>

#include <algorithm>

namespace aptward::swarm {
namespace {

// BEP 44, "Signature verification": salt, seq and v as they stand in the bencoded message.
std::string signed_text(std::string_view salt, std::uint64_t number, std::string_view value)
{
    std::string text = salt.empty() ? "" : "4:salt" + bencoded(salt);
    text += fmt::format("3:seqi{}e1:v", number);
    return text + bencoded(value);
}

}  // namespace

std::string bencoded(std::string_view text)
{
    return fmt::format("{}:{}", text.size(), text);
}

Put sign(const crypto::Ed25519Key& seed, std::string salt, std::uint64_t number, std::string value)
{
    Put put{crypto::ed25519_public(seed), std::move(salt), number, {}, std::move(value)};
    const std::string signature =
        crypto::sign_ed25519(seed, signed_text(put.salt, put.number, put.value));
    std::copy_n(signature.begin(), std::min(signature.size(), put.signature.size()),
                put.signature.begin());
    return put;
}

bool is_genuine(const Item& item)
{
    const std::string_view signature(reinterpret_cast<const char*>(item.signature.data()),
                                     item.signature.size());
    return bencoded(item.value).size() <= kMostItemBytes && item.salt.size() <= kMostSaltBytes &&
           crypto::verify_ed25519(item.owner, signed_text(item.salt, item.number, item.value),
                                  signature);
}

}  // namespace aptward::swarm
