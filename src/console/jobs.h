// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Jobs over the API.

#include <string>

#include "archive/archive.h"

namespace aptward::console {

/// GET /api/v1/jobs and /api/v1/jobs/ID. Any loop.
http::Async<void> show_jobs(http::Exchange& exchange, archive::Services& services);

/// POST /api/v1/jobs {"kind": KIND, ...} and /api/v1/jobs/ID/cancel; the kind reads the rest. `who`
/// may write: the caller has seen to that. Any loop.
http::Async<void> change_jobs(http::Exchange& exchange, archive::Services& services,
                              std::string body, std::string who);

}  // namespace aptward::console
