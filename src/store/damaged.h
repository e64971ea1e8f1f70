// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What was set aside because it was damaged. Private to store/.

#include <cstdint>
#include <filesystem>

namespace aptward::store {

inline constexpr std::size_t kMostDamagedFiles = 100;
inline constexpr std::uint64_t kMostDamagedBytes = 1'000'000'000;

/// Keeps what was set aside last, to be looked at, and removes the rest: a disk that rots would
/// fill itself with what nobody can use. One file stays whatever its size.
void keep_latest_damaged(const std::filesystem::path& folder);

}  // namespace aptward::store
