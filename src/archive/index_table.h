// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// From the packed bytes of one index to its table file, or to its text. Private to archive/ and its
// bench.

#include <array>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "base/digest.h"
#include "base/file.h"
#include "base/pool.h"
#include "base/result.h"
#include "deb/deb.h"
#include "store/store.h"

namespace aptward::archive {

/// What a table is made from.
struct PackedIndex {
    std::string path;             ///< Its name says what it is and how it is packed.
    Digest digest;                ///< Of the packed bytes: proven already.
    std::optional<Digest> plain;  ///< Of the unpacked ones, where the release lists them.
};

/// One of the files that a release lists.
PackedIndex packed_index(const deb::Release& release, const deb::ListedFile& file);

/// Unpacks `packed`, checks what comes out against the release (V32), and writes the table file.
/// No table stands under `target` before the check is done; a crash leaves none or a whole one.
/// The hash runs beside the rest on another worker of `pool`, if one is free.
/// Fails with malformed, untrusted (it is not what the release lists), storage.
/// A job of `pool`.
Result<void> build_table(const Fd& packed, const PackedIndex& index,
                         const std::filesystem::path& target, WorkerPool& pool);

/// Whether some form of an index is held.
bool holds_index(const store::Blobs& blobs, const deb::Release& release, const std::string& base);

/// The text of an index of which some form is held, the quickest of them.
/// Fails with not_found when none is, malformed, storage.
Result<std::string> read_index(const store::Blobs& blobs, const deb::Release& release,
                               const std::string& base);

}  // namespace aptward::archive
