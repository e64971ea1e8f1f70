// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What machines report, and what is held of what they want. docs/formats/machine.md,
// docs/formats/admin-api.md. Private to console/.

#include "archive/front.h"
#include "http/server.h"
#include "stock/stock.h"

namespace aptward::console {

/// On the addresses that serve archives, too: machines reach no other.
inline constexpr const char* kReportPath = "/.well-known/aptward/machines";

http::Async<void> take_report(http::Exchange& exchange, archive::Services& services,
                              const archive::Front& front, stock::Stock& stock);
http::Async<void> show_machines(http::Exchange& exchange, archive::Services& services,
                                const stock::Stock& stock);
http::Async<void> forget_machine(http::Exchange& exchange, archive::Services& services,
                                 const stock::Stock& stock);
http::Async<void> show_stock_of(http::Exchange& exchange, stock::Stock& stock);

}  // namespace aptward::console
