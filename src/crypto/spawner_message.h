// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The messages between the node, the spawner process and its supervisors. Private to crypto/.
//
// A request is one packet: the time limit in milliseconds, the program and its arguments, each
// ended by NUL; with it travel descriptors: the reply socket, the status pipe, then the inputs.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace aptward::crypto {

inline constexpr std::size_t kMaxSpawnInputs = 8;
inline constexpr std::size_t kMaxSpawnRequestBytes = 16'384;

struct SpawnRequest {
    std::chrono::milliseconds limit{};
    bool creates_files = false;        ///< Allowance
    std::vector<std::string> command;  ///< The program, then its arguments.
    Fd reply;
    Fd status;
    std::vector<Fd> inputs;
};

/// How a request ended.
struct SpawnReply {
    enum class Kind : std::int32_t { exited, timed_out, not_started };
    Kind kind = Kind::not_started;
    std::int32_t number = 0;  ///< The status of waitpid, or errno for not_started.
};

/// False when it cannot be sent; errno says why. The request's descriptors stay open here.
bool send_request(int socket, const SpawnRequest& request);

/// Blocks for the next request. Nothing at the end of the connection; a malformed request has an
/// empty command.
std::optional<SpawnRequest> receive_request(int socket);

void send_reply(int socket, SpawnReply reply);

/// The reply if one has arrived; does not block.
std::optional<SpawnReply> receive_reply(int socket);

}  // namespace aptward::crypto
