// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/delegates.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "crypto/crypto.h"

namespace aptward::peer {
namespace {

std::string turn_of(const Digest& digest, const std::string& key)
{
    return crypto::digest_of(digest.hex() + ' ' + key).hex();
}

}  // namespace

std::vector<std::size_t> delegates_for(const Digest& digest, const std::string& self,
                                       const std::vector<std::string>& others)
{
    const std::string own = turn_of(digest, self);
    std::vector<std::pair<std::string, std::size_t>> before;
    for (std::size_t i = 0; i < others.size(); ++i)
        if (auto turn = turn_of(digest, others[i]); turn > own)
            before.emplace_back(std::move(turn), i);
    std::sort(before.begin(), before.end(), std::greater<>());
    std::vector<std::size_t> places;
    for (const auto& [turn, place] : before)
        places.push_back(place);
    return places;
}

}  // namespace aptward::peer
