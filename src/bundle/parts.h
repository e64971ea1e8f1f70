// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// One long file kept in pieces: FILE, or FILE.001, FILE.002, ... for media that hold no more.
// Private to bundle/.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace aptward::bundle {

inline constexpr unsigned kMostParts = 999;

/// The pieces, read as one. Any one thread at a time.
class PartsReader {
public:
    /// `file`: the whole, the first piece, or the name without its number.
    /// Fails with not_found; malformed for what is no regular file, and for pieces of which one is
    /// missing or of another bundle; storage.
    static Result<PartsReader> open(const std::filesystem::path& file);

    std::uint64_t size_bytes() const { return size_bytes_; }
    std::size_t count() const { return parts_.size(); }
    /// Fills `bytes`. Fails with storage, also when the file has become shorter.
    Result<void> read_at(std::span<char> bytes, std::uint64_t offset) const;

private:
    struct Part {
        Fd file;
        std::uint64_t from = 0, size_bytes = 0;
    };
    Result<void> add(const std::filesystem::path& file);
    Result<void> add_pieces(const std::filesystem::path& base);

    std::vector<Part> parts_;
    std::uint64_t size_bytes_ = 0;
};

/// Writes pieces under names of their own, and gives them their right names at the end. What was
/// not finished is removed.
class PartsWriter {
public:
    /// `split_bytes` 0: one file. Fails with malformed when there is a file or a piece of this
    /// name.
    static Result<PartsWriter> open(const std::filesystem::path& file, std::uint64_t split_bytes);
    ~PartsWriter();
    PartsWriter(PartsWriter&&) noexcept = default;
    PartsWriter& operator=(PartsWriter&&) = delete;

    Result<void> write(std::string_view bytes);
    /// Syncs everything, then renames.
    Result<void> finish();

private:
    PartsWriter(std::filesystem::path file, std::uint64_t split_bytes)
        : file_(std::move(file)), split_bytes_(split_bytes)
    {
    }
    Result<void> begin_part();
    Result<void> end_part();
    std::filesystem::path name_of(std::size_t part) const;

    std::filesystem::path file_;
    std::uint64_t split_bytes_;
    Fd part_;
    std::uint64_t part_bytes_ = 0;
    std::vector<std::filesystem::path> temporary_;  // of the pieces so far; empty: finished
};

}  // namespace aptward::bundle
