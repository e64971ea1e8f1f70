// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What clients got lately, from the delivery record. Private to archive/.

#include <filesystem>

#include "archive/eviction.h"
#include "base/clock.h"
#include "base/result.h"

namespace aptward::archive {

/// Many files by the beginnings of their digests: 16 bytes each, of a million as well.
class FileKeys {
public:
    void add(const Digest& digest);
    /// Before holds(), after the last add().
    void sort();
    bool holds(const Digest& digest) const;

private:
    std::vector<std::array<std::uint8_t, 16>> keys_;
    std::size_t sorted_ = 0;  // so many are in order, each once
};

/// The files of which a client got bytes since then; none when nothing is recorded. Blocks on the
/// disk. Fails with storage.
Result<FileKeys> find_delivered(const std::filesystem::path& deliveries, SystemTime since);

}  // namespace aptward::archive
