// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Whether single values of the configuration can mean anything: what is wrong is said here, not by
// the first client. Private to node/. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "archive/settings.h"
#include "base/result.h"
#include "node/config.h"

namespace aptward::node {

// Each fails with malformed, saying what is accepted.

/// "http://archive.example/debian": http or https, a host, a port from 1 to 65535 or none, a path.
Result<void> check_upstream(std::string_view url);
/// An upstream with @SNAPSHOTID@ as one of its folders.
Result<void> check_snapshot_host(std::string_view url);
/// "http://proxy.example:3128": http, https, socks4(a) or socks5(h), a host, perhaps a port.
Result<void> check_proxy(std::string_view url);
/// "archive.example/debian", or a URL.
Result<void> check_host_prefix(std::string_view text);
/// "private.example:8443".
Result<void> check_host_and_port(std::string_view text);
/// The path behind dists/, or "dir/" and "/" for a flat repository.
Result<void> check_suite(std::string_view name);
/// A component or an architecture.
Result<void> check_word(std::string_view name);
/// Of an auxiliary pattern: that it stays in the archive.
Result<void> check_inside(std::string_view pattern);

/// The defaults of the light profile.
void be_light(Config& config);

/// "ID claims HOST as well" for each prefix of `archive` that one of `others` has already: a proxy
/// request for it could mean either.
std::vector<std::string> doubly_claimed(const archive::ArchiveSettings& archive,
                                        const std::vector<archive::ArchiveSettings>& others);

}  // namespace aptward::node
