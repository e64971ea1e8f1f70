// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The [[listener]] tables. Private to node/.

#include "node/config_reader.h"

namespace aptward::node {

/// Reads one table with the files it names: what is wrong with them is a mistake of the
/// configuration, not of the first client.
ListenerSettings read_listener(const toml::table& table, const std::string& file,
                               const Config& config, std::vector<Mistake>& mistakes);

/// The user ids of `names`; names that the machine does not know are left out.
std::vector<::uid_t> uids_of(const std::vector<std::string>& names);

/// What the address of `admin` demands: over a Unix socket peers have their rights, over TCP
/// everybody may look.
std::shared_ptr<const http::Admission> admission_of_admin(
    const std::string& address, const std::vector<std::string>& admin_users);

}  // namespace aptward::node
