// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// "Who got this?" over the API.

#include <string>

#include "archive/archive.h"
#include "store/deliveries.h"

namespace aptward::console {

/// GET /api/v1/deliveries?digest=&path=&client=&since=&until=&limit=, times in seconds since 1970.
/// Any loop.
http::Async<void> show_deliveries(http::Exchange& exchange, archive::Services& services);

/// The JSON of an answer, for the API and `aptward deliveries --json`.
std::string to_json(const store::DeliveriesFound& found);

}  // namespace aptward::console
