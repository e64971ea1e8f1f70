// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace aptward {

void check_failed(const char* file, int line, const char* condition, std::string_view why)
{
    std::fprintf(stderr, "aptward: bug at %s:%d: %s does not hold: %.*s\n", file, line, condition,
                 static_cast<int>(why.size()), why.data());
    std::abort();
}

}  // namespace aptward
