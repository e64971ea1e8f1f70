// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The immutable name -> digest table of one index, a file. Its layout is at the top of table.cpp.

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/file.h"
#include "base/result.h"

namespace aptward::catalog {

/// Makes the bytes of a table file. Draws a random seed against crafted collisions; else pure.
class TableBuilder {
public:
    /// `expected_bytes`: of all paths and digests; a guess that is too small only costs time.
    explicit TableBuilder(std::size_t expected_bytes = 0);

    /// The first of several entries with one path and different digests wins, as in apt.
    void add(std::string_view path, const Digest& digest);

    /// Fails with malformed for more than 4 GiB of entries, or a path over 4096 bytes.
    Result<std::string> finish() &&;

private:
    struct Place {
        std::uint64_t hash;
        std::uint32_t offset;  // in entries_
    };
    std::uint64_t seed_ = 0;
    std::string entries_;
    std::vector<Place> places_;
    bool is_too_large_ = false;
};

/// Path of a pool file -> digest. Any thread; nothing locks.
///
/// Read from the file at each look-up and not mapped: a disk that fails under a mapping would end
/// the node, a failed read is an answer. In memory is a byte for each bucket.
class Table {
public:
    /// Opens and checks a table file. Fails with not_found, malformed (damaged), storage.
    static Result<std::shared_ptr<const Table>> open(const std::filesystem::path& file);

    /// Two small reads when it is there, hardly ever one when it is not.
    /// Fails with storage when the file is not readable any more.
    Result<std::optional<Digest>> find(std::string_view path) const;
    std::size_t size() const { return header_.count; }

    /// A read of it has failed: it wants to be built again.
    bool is_broken() const { return is_broken_.load(std::memory_order_relaxed); }

    /// Calls `visit` for every entry, in the order of the index. The path is a view that ends with
    /// the call. A walk over everything: for questions by digest, which are rare; call on a worker.
    /// Fails with storage.
    using Visit = std::function<void(std::string_view path, const Digest& digest)>;
    Result<void> each(const Visit& visit) const;

private:
    struct Header {
        std::uint64_t magic, seed, entries_bytes;
        std::uint32_t count, bucket_mask;

        std::size_t buckets_bytes() const;
        std::size_t whole_bytes() const;
    };
    friend class TableBuilder;

    Table(Fd file, const Header& header) : file_(std::move(file)), header_(header) {}
    Result<void> check();
    Result<void> read(std::span<char> bytes, std::uint64_t offset) const;
    Result<std::optional<Digest>> read_entry(std::uint32_t offset, std::string_view path) const;
    tl::unexpected<Error> break_down(Error error) const;

    Fd file_;
    Header header_;
    std::vector<std::uint8_t> marks_;  // of each bucket: 0 is empty, else some of its tag
    mutable std::atomic<bool> is_broken_ = false;
};

}  // namespace aptward::catalog
