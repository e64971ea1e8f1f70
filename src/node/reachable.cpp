// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/reachable.h"

#include "base/text.h"

namespace aptward::node {
namespace {

bool is_loopback(std::string_view host)
{
    return host.starts_with("127.") || host == "[::1]" || host.starts_with("[::ffff:127.");
}

}  // namespace

peer::Reachable reachable_at(const std::vector<std::string>& listening)
{
    peer::Reachable reachable;
    for (const std::string& name : listening) {
        const std::size_t colon = name.rfind(':');
        const std::string host = name.substr(0, colon);
        const auto port = colon == std::string::npos
                              ? std::nullopt
                              : parse_number<std::uint16_t>(name.substr(colon + 1));
        const bool is_path = name.starts_with("unix:");
        if (is_path || !port || is_loopback(host) ||
            (reachable.port != 0 && reachable.port != *port))
            continue;
        const bool is_v6 = host.starts_with('[');
        reachable.port = *port;
        reachable.is_on_v6 = reachable.is_on_v6 || is_v6;
        reachable.is_on_v4 = reachable.is_on_v4 || !is_v6 || host == "[::]";
    }
    return reachable;
}

}  // namespace aptward::node
