// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Drills over the API. Private to console/.

#include <nlohmann/json.hpp>
#include <string>

#include "archive/drill.h"
#include "archive/front.h"
#include "console/orders.h"

namespace aptward::console {

/// Null when none runs.
nlohmann::json to_json(const archive::RunningDrillPtr& drill);

/// GET /api/v1/drill?archive=ID&packages=N. Any loop.
http::Async<void> show_stock(http::Exchange& exchange, archive::Services& services,
                             archive::Front& front);

/// POST /api/v1/drill. Any loop.
http::Async<void> start_drill(http::Exchange& exchange, archive::Services& services,
                              archive::Drill& drill, Order order);

/// POST /api/v1/drill/end. Any loop.
http::Async<void> end_drill(http::Exchange& exchange, archive::Services& services,
                            archive::Drill& drill);

}  // namespace aptward::console
