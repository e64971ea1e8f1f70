// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/quota.h"

#include <fmt/format.h>

#include "base/text.h"

namespace aptward::archive {

std::optional<QuotaCount> Quota::count() const
{
    const auto count = count_.load();
    return count ? std::optional(*count) : std::nullopt;
}

std::uint64_t Quota::over_bytes() const
{
    const auto count = count_.load();
    const std::uint64_t quota = bytes();
    return count && quota > 0 && count->staying_bytes > quota ? count->staying_bytes - quota : 0;
}

std::uint64_t held_now(const QuotaCount& count, std::uint64_t stored_bytes)
{
    return count.held_bytes + stored_bytes - count.stored_before;
}

std::string what_stays(const QuotaCount& count)
{
    return fmt::format(
        "{} of indexes, pins, names and freezes and {} of what clients use have to stay",
        human_size(count.kept_bytes), human_size(count.hot_bytes));
}

}  // namespace aptward::archive
