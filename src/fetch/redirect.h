// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Judging redirects before following them. Pure.

#include <string>
#include <string_view>

#include "base/result.h"

namespace aptward::fetch {

inline constexpr int kMaxRedirects = 5;

struct Redirect {
    std::string url;
    bool is_same_host = false;  ///< Same host and port: private addresses stay allowed.
};

/// Resolves a Location against the URL that answered with it.
/// Fails with untrusted (A18): bytes below 0x21 or 0x7f also after percent-decoding (they would
/// inject lines into what reads the URL next), userinfo, a scheme but http or https, https to
/// http, no host. Spec: RFC 9110 10.2.2, RFC 3986 5.
Result<Redirect> judge_redirect(std::string_view from_url, std::string_view location);

}  // namespace aptward::fetch
