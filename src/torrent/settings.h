// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// How libtorrent is to behave. Private to torrent/.

#include <libtorrent/session_params.hpp>

#include "swarm/messages.h"

namespace aptward::torrent {

lt::session_params settings_of(const swarm::Start& start);

}  // namespace aptward::torrent
