// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The files of an index in an order that every node comes to by itself: by their digests. So two
// nodes can tell each other what they hold of it by numbers alone.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "catalog/table.h"

namespace aptward::catalog {

/// Immutable; any thread. Takes 8 bytes for each file.
class Universe {
public:
    /// Walks over the whole table: for a worker. `files`, if given, gets the digests in their
    /// order. Fails with storage.
    static Result<std::shared_ptr<const Universe>> of(const Table& table,
                                                      std::vector<Digest>* files = nullptr);

    std::size_t count() const { return sha256_.size() + sha512_.size(); }
    /// The place of a file: those of SHA-256 first, then by hash. Nothing when the index does not
    /// list it; two that begin with the same 8 bytes have the place of the first.
    std::optional<std::size_t> place_of(const Digest& digest) const;

private:
    std::vector<std::uint64_t> sha256_, sha512_;  // the first 8 bytes of each hash, rising
};

}  // namespace aptward::catalog
