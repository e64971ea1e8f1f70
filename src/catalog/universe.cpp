// SPDX-License-Identifier: GPL-3.0-or-later
#include "catalog/universe.h"

#include <algorithm>
#include <tuple>

namespace aptward::catalog {
namespace {

// As a number whose order is that of the bytes.
std::uint64_t beginning_of(const Digest& digest)
{
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < sizeof number; ++i)
        number = number << 8 | digest.hash[i];
    return number;
}

bool is_before(const Digest& a, const Digest& b)
{
    return std::tie(a.algorithm, a.hash) < std::tie(b.algorithm, b.hash);
}

bool is_same(const Digest& a, const Digest& b)
{
    return a.algorithm == b.algorithm && a.hash == b.hash;
}

}  // namespace

Result<std::shared_ptr<const Universe>> Universe::of(const Table& table, std::vector<Digest>* files)
{
    std::vector<Digest> digests;
    digests.reserve(table.size());
    TRY_VOID(
        table.each([&](std::string_view, const Digest& digest) { digests.push_back(digest); }));
    std::sort(digests.begin(), digests.end(), is_before);
    digests.erase(std::unique(digests.begin(), digests.end(), is_same), digests.end());
    auto universe = std::make_shared<Universe>();
    for (const Digest& digest : digests)
        (digest.algorithm == HashAlgorithm::sha256 ? universe->sha256_ : universe->sha512_)
            .push_back(beginning_of(digest));
    universe->sha256_.shrink_to_fit();
    universe->sha512_.shrink_to_fit();
    if (files != nullptr)
        *files = std::move(digests);
    return universe;
}

std::optional<std::size_t> Universe::place_of(const Digest& digest) const
{
    const bool is_first = digest.algorithm == HashAlgorithm::sha256;
    const auto& hashes = is_first ? sha256_ : sha512_;
    const std::uint64_t wanted = beginning_of(digest);
    const auto found = std::lower_bound(hashes.begin(), hashes.end(), wanted);
    if (found == hashes.end() || *found != wanted)
        return std::nullopt;
    return static_cast<std::size_t>(found - hashes.begin()) + (is_first ? 0 : sha256_.size());
}

}  // namespace aptward::catalog
