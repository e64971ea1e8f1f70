// SPDX-License-Identifier: GPL-3.0-or-later
// An operator's order to the running node.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/commands.h"

namespace aptward::cli {

int status_of_refusal(const AdminAnswer& answer)
{
    return answer.body.starts_with("archive.unknown:") ? kUsage : kNo;
}

int send_order(const Reach& reach, const char* path, const nlohmann::json& request)
{
    const auto config = load_config_to_ask(reach);
    if (!config)
        return kUsage;
    const auto answer =
        ask_admin(config->admin, "POST", path,
                  request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    if (!answer) {
        std::fprintf(stderr, "aptward: %s\n", answer.error().message().c_str());
        return kUnknown;
    }
    std::fputs(answer->body.c_str(), answer->status == 200 ? stdout : stderr);
    return answer->status == 200 ? kOk : status_of_refusal(*answer);
}

}  // namespace aptward::cli
