// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/peer_names.h"

#include "base/text.h"
#include "node/config_checks.h"
#include "node/own_names.h"

namespace aptward::node {

Result<std::string> read_peer_url(std::string url, const std::vector<std::string>& listen)
{
    while (!url.empty() && url.back() == '/')
        url.pop_back();
    if (url.empty())
        return fail(Errc::malformed,
                    "where the other node answers clients is missing, such as "
                    "\"http://b.example:3142\"");
    TRY_VOID(check_upstream(url));
    // By another name it is found out when it answers. Peers mostly have our port.
    if (is_own_authority(authority_of(url), listen, Lookup::none))
        return fail(Errc::malformed, "\"" + printable(url) + "\" is this node itself");
    return url;
}

Result<std::optional<tlog::VerifierKey>> read_peer_identity(const std::string& text)
{
    if (text.empty())
        return std::optional<tlog::VerifierKey>();
    auto key = tlog::VerifierKey::parse(text);
    if (!key)
        return fail(Errc::malformed, "\"" + printable(text) +
                                         "\" is no identity: write what aptward peer list shows on "
                                         "the other node, NAME+ID+KEY");
    return std::optional(std::move(*key));
}

}  // namespace aptward::node
