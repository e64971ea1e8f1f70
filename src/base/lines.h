// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <algorithm>
#include <string_view>

namespace aptward {

/// Takes what stands before the first `end` off the front of `text`, and that itself; without one,
/// all of it.
inline std::string_view take_part(std::string_view& text, char end)
{
    const std::string_view part = text.substr(0, text.find(end));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    return part;
}

/// The next line, without its end.
inline std::string_view take_line(std::string_view& text)
{
    return take_part(text, '\n');
}

}  // namespace aptward
