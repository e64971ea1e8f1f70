// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string_view>

namespace aptward {

/// Well-formed UTF-8 by the table of RFC 3629 4: overlong forms ("%c0%ae" for '.'), surrogates and
/// code points past U+10FFFF are the classic ways around a check of names. Pure.
bool is_utf8(std::string_view text);

}  // namespace aptward
