// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// systemd's socket activation and readiness, without its library: two environment variables.
// Spec: sd_listen_fds(3), sd_notify(3).

#include <string>
#include <vector>

#include "http/server.h"

namespace aptward::node {

/// The listening sockets handed over at start; empty without socket activation.
std::vector<http::Listening> inherited_sockets();

/// Tells the service manager "READY=1" and the like; nothing when there is none.
void notify_service_manager(const std::string& state);

}  // namespace aptward::node
