// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/version.h"

namespace aptward {
std::string_view version()
{
    return APTWARD_VERSION;
}
}  // namespace aptward
