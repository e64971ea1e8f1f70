// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Whether an address of a source means this very node: a node that fetched from itself would never
// end (archive-reality 19).

#include <string>
#include <string_view>
#include <vector>

namespace aptward::node {

/// "HOST:PORT" of an http URL: lower case, port 80 when none is written; IPv6 in brackets.
std::string authority_of(std::string_view uri);

/// Whether a name server is asked, which takes long where none answers.
enum class Lookup { by_name, none };

/// True when `authority` is one of the addresses in `listen`: literally, or on this machine (a
/// loopback or own address, our host name, or a name that leads here) with a port we listen on.
/// Resolves names only when the port is one of ours.
bool is_own_authority(const std::string& authority, const std::vector<std::string>& listen,
                      Lookup lookup = Lookup::by_name);

}  // namespace aptward::node
