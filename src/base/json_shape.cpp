// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/json_shape.h"

namespace aptward {

bool is_modest_json(std::string_view json, std::size_t deepest, std::size_t most_values)
{
    std::size_t depth = 0, values = 0;
    bool is_text = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (c == '"')
            is_text = !is_text;
        else if (is_text && c == '\\')
            ++i;
        else if (is_text)
            continue;
        else if (c == '[' || c == '{')
            ++depth, ++values;
        else if (c == ',')
            ++values;
        else if (c == ']' || c == '}')
            depth -= depth > 0 ? 1 : 0;
        if (depth > deepest || values > most_values)
            return false;
    }
    return true;
}

}  // namespace aptward
