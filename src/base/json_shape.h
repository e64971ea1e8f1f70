// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// How large a JSON text becomes when it is parsed.

#include <cstddef>
#include <string_view>

namespace aptward {

/// Whether a JSON text is nested no deeper and has no more values than this: in memory each takes
/// many times what it takes in the text, so it is looked at before the text is parsed. (A library's
/// own callback may take quadratic time.) Takes any text. Pure.
bool is_modest_json(std::string_view json, std::size_t deepest, std::size_t most_values);

}  // namespace aptward
