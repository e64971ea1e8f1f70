// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Short answers of the admin port, and its query parameters. Private to console/.

#include <cstdint>
#include <optional>
#include <string>

#include "http/server.h"

namespace aptward::console {

http::Async<bool> send_json(http::Exchange& exchange, std::string text);
http::Async<bool> send_text(http::Exchange& exchange, int status, std::string text);

/// The decoded value of `name` in "a=1&b=2"; nothing when it is not there.
std::optional<std::string> parameter(std::string_view query, std::string_view name);

/// A number parameter between `least` and `most`; `standard` when it is not there or no number.
std::int64_t number_parameter(std::string_view query, std::string_view name, std::int64_t standard,
                              std::int64_t least, std::int64_t most);

}  // namespace aptward::console
