// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// "host[:port]" as it stands in targets and in Host headers: one reading for both, so that the
// two cannot disagree about where a host name ends. Pure.

#include <cstdint>
#include <optional>
#include <string_view>

namespace aptward::http {

struct Authority {
    std::string_view host;  ///< As written, IPv6 without brackets.
    bool is_ipv6 = false;
    std::optional<std::uint16_t> port;
};

/// Nothing for userinfo, an empty or odd host, and an empty, zero or too large port.
/// Spec: RFC 3986 3.2, narrowed to the names DNS and Debian archives use.
std::optional<Authority> split_authority(std::string_view text);

}  // namespace aptward::http
