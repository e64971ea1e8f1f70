// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The commands of `aptward`, one file each. Private to cli/.

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "node/config.h"

namespace CLI {
class App;
}

namespace aptward::cli {

inline constexpr int kOk = 0, kNo = 1, kUsage = 2, kUnknown = 3;
inline constexpr const char* kConfigFile = "/etc/aptward/aptward.toml";

/// What main runs after parsing; set by the command that was given.
using Action = std::function<int()>;

/// Names the program and adds every command: the whole command line.
void add_commands(CLI::App& app, Action& action);

void add_manual(CLI::App& app, Action& action);
void add_completion(CLI::App& app, Action& action);
void add_serve(CLI::App& app, Action& action);
void add_status(CLI::App& app, Action& action);
void add_events(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);
void add_config(CLI::App& app, Action& action);
void add_config_suggest(CLI::App& config, Action& action);
void add_client(CLI::App& app, Action& action);
void add_import(CLI::App& app, Action& action);
void add_import_stock(CLI::App& import, Action& action);
void add_scrub(CLI::App& app, Action& action);
void add_gc(CLI::App& app, Action& action);
void add_snapshot(CLI::App& app, Action& action);
void add_freeze(CLI::App& app, Action& action);
void add_thaw(CLI::App& app, Action& action);
void add_mirror(CLI::App& app, Action& action);
void add_export(CLI::App& app, Action& action);
void add_approve(CLI::App& app, Action& action);
void add_keys(CLI::App& app, Action& action);
void add_verify(CLI::App& app, Action& action);
void add_deliveries(CLI::App& app, Action& action);
void add_jobs(CLI::App& app, Action& action);
void add_token(CLI::App& app, Action& action);
void add_bundle(CLI::App& app, Action& action);
void add_drill(CLI::App& app, Action& action);
void add_peer(CLI::App& app, Action& action);
void add_swarm(CLI::App& app, Action& action);
void add_stock(CLI::App& app, Action& action);
void add_client_report(CLI::App& client, Action& action);
void add_solver(CLI::App& app, Action& action);

/// Why nodes on the local network are not found, or not told of this one, by what the API says of
/// that; empty: they are, or it is not wanted.
std::string trouble_of_discovery(const nlohmann::json& discovery);
/// The same of the process that speaks for the node in the DHT.
std::string trouble_of_swarm(const nlohmann::json& swarm, const nlohmann::json& dht);

/// Says on standard error what went wrong; the exit status.
int failed(const std::string& sentence, int status);

/// Adds --config with its default.
void add_config_option(CLI::App& command, std::string& file);

/// How a command finds the running node, and the folder that it reads where none runs.
struct Reach {
    std::string config;
    std::string admin;  ///< Instead of the configuration's; else of APTWARD_ADMIN.
    std::string state;  ///< The same of APTWARD_STATE.
    bool reads_state = false;
};
/// Adds --config and --admin; with `reads_state` --state as well.
enum class ReadsState { no, yes };
void add_reach_options(CLI::App& command, Reach& reach, ReadsState reads_state = ReadsState::no);

/// The configuration, or its mistakes on standard error. `file` empty: /etc/aptward/aptward.toml
/// when it is there, else the machine's apt sources. `listen`: addresses that replace its own.
std::optional<node::Config> load_config(const std::string& file,
                                        const std::vector<std::string>& listen = {});

/// The same for commands that only ask the running node: files that this user may not read (the
/// keys and tokens of listeners are the node's alone) do not keep them from it, and no file is read
/// when the options say everything.
std::optional<node::Config> load_config_to_ask(const Reach& reach);

/// Puts the options and the environment in the place of what the configuration says.
void apply(const Reach& reach, node::Config& config);

/// One request to the admin port of the running node. Fails with unavailable when none runs, or it
/// says nothing for `limit`.
struct AdminAnswer {
    int status = 0;
    std::string body;
    std::string sentence() const;  ///< Of a refusal: the body's first line.
};
Result<AdminAnswer> ask_admin(const std::string& address, const std::string& method,
                              const std::string& target, const std::string& body = {},
                              std::chrono::seconds limit = std::chrono::seconds(30));

/// Gives each line of an endless answer (server-sent events) to `take` until the node ends it.
/// Fails with unavailable when no node answers, or it falls silent for three heartbeats.
Result<void> follow_admin(const std::string& address, const std::string& target,
                          const std::function<void(std::string_view line)>& take);

/// The exit status that a refusal means: 2 where there is no such archive, else 1.
int status_of_refusal(const AdminAnswer& answer);

/// Posts what an operator orders and prints the sentence that the node answers with.
int send_order(const Reach& reach, const char* path, const nlohmann::json& request);

/// "2026-04-30", "2026-04-30T10:15:00Z", "20260430T101500Z", or "90m": so long before `now`. In
/// seconds since 1970; nothing for anything else.
std::optional<std::int64_t> parse_moment(const std::string& text, std::int64_t now);
/// Says how moments are written; the exit status. `what`: "--since"
int wrong_moment(const char* what, const std::string& text);

/// Prints `status`' table. Colours only when `out` is a terminal.
std::string render_status_table(const std::string& status_json, bool has_colours);

/// True when standard output is a terminal.
bool is_terminal();

}  // namespace aptward::cli
