// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The blob service in `status`. Private to console/.

#include <nlohmann/json.hpp>
#include <optional>

#include "archive/archive.h"
#include "archive/blob_service.h"

namespace aptward::console {

/// Nothing when none is configured. Any loop.
http::Async<std::optional<archive::BlobServiceReport>> look_at_blob_service(
    const archive::Services& services);

/// null when none is configured.
nlohmann::json to_json(const std::optional<archive::BlobServiceReport>& report);

}  // namespace aptward::console
