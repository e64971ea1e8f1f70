// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The headers of the tar inside a bundle: one form, written and compared byte by byte, so that
// there is nothing in them to read in two ways. Private to bundle/. Pure.
// Spec: POSIX.1-2017 pax, "ustar Interchange Format".

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace aptward::bundle {

inline constexpr std::size_t kTarBlock = 512;
inline constexpr std::size_t kTarEnd = 2 * kTarBlock;              ///< Zeros.
inline constexpr std::uint64_t kLargestMember = (1ULL << 33) - 1;  ///< 11 octal digits.

/// A regular file of mode 0644 that belongs to root. `name`: at most 100 bytes.
std::string make_tar_header(std::string_view name, std::uint64_t size_bytes, SystemTime time);

/// The size that a header claims, when it is one that make_tar_header made for this name.
/// Fails with malformed.
Result<std::uint64_t> size_in_tar_header(std::string_view header, std::string_view name);

/// Zeros behind a file of so many bytes.
inline std::size_t tar_padding(std::uint64_t size_bytes)
{
    return static_cast<std::size_t>((kTarBlock - size_bytes % kTarBlock) % kTarBlock);
}

}  // namespace aptward::bundle
