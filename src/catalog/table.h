// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The immutable name -> digest table of one index, mapped from a file. docs/formats/table.md.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace aptward::catalog {

/// What a table is built from. Paths are views; they must live until build() returns.
struct TableEntry {
    std::string_view path;
    Digest digest;
};

/// Path of a pool file -> digest. Any thread; lookups neither lock nor allocate.
class Table {
public:
    /// The bytes of a table file. The first of several entries with one path and different
    /// digests wins, as in apt. Pure apart from drawing a random seed against crafted collisions.
    static std::string build(const std::vector<TableEntry>& entries);

    /// Maps a table file. Fails with not_found, malformed (damaged), storage.
    static Result<std::shared_ptr<const Table>> open(const std::filesystem::path& file);

    ~Table();
    Table(const Table&) = delete;
    Table& operator=(const Table&) = delete;

    std::optional<Digest> find(std::string_view path) const;
    std::size_t size() const { return count_; }

    /// Calls `visit` for every entry, in the order of the index. The path is a view into the table.
    /// A walk over everything: for questions by digest, which are rare; call on a worker.
    using Visit = std::function<void(std::string_view path, const Digest& digest)>;
    void each(const Visit& visit) const;

private:
    Table(const char* bytes, std::size_t size) : bytes_(bytes), size_(size) {}
    const char* bytes_;
    std::size_t size_;
    std::size_t count_ = 0;
};

}  // namespace aptward::catalog
