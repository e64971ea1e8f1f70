// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// CHECK stops the program on a bug: a broken promise between our own parts. Never on input.

#include <string_view>

namespace aptward {

/// Logs the broken promise and aborts; the service manager restarts the node.
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view why);

}  // namespace aptward

#define CHECK(condition, why)                                             \
    do {                                                                  \
        if (!(condition))                                                 \
            ::aptward::check_failed(__FILE__, __LINE__, #condition, why); \
    } while (false)
