// SPDX-License-Identifier: GPL-3.0-or-later
#include "swarm/item.h"

#include <fmt/format.h>

#include <algorithm>

#include "crypto/ed25519.h"

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

Put sign(const PublicKey& owner, std::string salt, std::uint64_t number, std::string value,
         const std::function<std::string(std::string_view)>& signer)
{
    Put put{owner, std::move(salt), number, {}, std::move(value)};
    const std::string signature = signer(signed_text(put.salt, put.number, put.value));
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
