// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Which settings a file of apt's configuration makes, and on which line: libapt-pkg knows the
// values, but not where they came from. Pure. Spec: apt.conf(5).

#include <string>
#include <string_view>
#include <vector>

namespace aptward::deb {

struct AptSetting {
    std::string name;  ///< "Acquire::http::Proxy", as written, with the scopes around it.
    std::string value;
    std::size_t line = 0;  ///< From 1.
};

/// Every setting with a value, in order. What is not understood is skipped.
std::vector<AptSetting> read_apt_conf(std::string_view text);

}  // namespace aptward::deb
