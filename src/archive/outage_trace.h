// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// A recorded outage: silence and service by turns (docs/formats/outage-trace.md). Pure.

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace aptward::archive {

inline constexpr std::size_t kMaxTraceBytes = 1 << 20;
inline constexpr std::size_t kMostSilences = 1000;
inline constexpr std::chrono::minutes kLongestPhase{60 * 24 * 30};

struct OutageTrace {
    std::string name;                        ///< Empty when it has none.
    std::vector<std::chrono::minutes> down;  ///< At least one.
    std::vector<std::chrono::minutes> up;    ///< After each silence; perhaps not after the last.

    std::chrono::minutes all_down() const;
    std::chrono::minutes all_up() const;
};

/// Fails with malformed, naming what is wrong.
Result<OutageTrace> parse_outage_trace(std::string_view json);

}  // namespace aptward::archive
