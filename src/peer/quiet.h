// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Hours of the day in which nothing is given to nodes of other networks. Pure but for the local
// time.

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace aptward::peer {

/// Of each day, in minutes since midnight by local time: [from, to). Over midnight where `to` is
/// the earlier one.
struct QuietHours {
    int from = 0, to = 0;
    bool contains(int minute) const
    {
        return from < to ? minute >= from && minute < to : minute >= from || minute < to;
    }
};

/// "22:00-06:00"; "00:00-24:00" is all day. Fails with malformed.
Result<QuietHours> parse_quiet_hours(const std::string& text);

bool are_quiet(const std::vector<QuietHours>& hours, SystemTime now);

}  // namespace aptward::peer
