// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Whether this build is one that AddressSanitizer watches: it maps terabytes, keeps what was freed,
// and opens pipes to look at memory, so limits on those mean nothing under it.

namespace aptward {

#if defined(__SANITIZE_ADDRESS__)  // g++
constexpr bool kHasAddressSanitizer = true;
#elif defined(__has_feature)  // clang
constexpr bool kHasAddressSanitizer = __has_feature(address_sanitizer);
#else
constexpr bool kHasAddressSanitizer = false;
#endif

}  // namespace aptward
