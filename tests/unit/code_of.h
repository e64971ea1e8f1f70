// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <optional>

#include "base/result.h"

namespace aptward {

/// How a call failed; nothing when it did not. Asking a success for its error reads what is not
/// there.
template <class T>
std::optional<Errc> code_of(const Result<T>& result)
{
    if (result)
        return std::nullopt;
    return result.error().code();
}

}  // namespace aptward
