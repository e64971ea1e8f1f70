// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What the parts of `aptward client` share. Private to cli/.

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "node/client_manifest.h"

namespace aptward::cli {

inline constexpr const char* kAptConfFile = "/etc/apt/apt.conf.d/30aptward";
inline constexpr const char* kDetectFile = "/usr/local/lib/aptward-proxy-detect";
/// Which nodes were found dead, and when; owned by the user who runs apt's methods.
inline constexpr const char* kMemoryFolder = "/var/lib/aptward-client/dead";

/// The machine's own small peer, which serves these hosts and no others. No URL: there is none.
struct OwnPeer {
    std::string url;
    std::vector<std::string> hosts;  ///< As they stand in URIs, in lower case.
};
/// The program that apt asks for a proxy: the first of `nodes` that answers, else the machine's own
/// peer, or DIRECT.
/// `nodes`: "http://HOST:PORT", as parse_node gives them.
std::string detect_script(const std::vector<std::string>& nodes, const OwnPeer& own);

/// What /etc/apt/apt.conf.d/30aptward says.
std::string apt_conf_text(bool tunnels_https);

/// "node.example", "http://node.example:3142/", "[::1]:3142" -> "http://HOST:PORT".
/// Fails with malformed.
Result<std::string> parse_node(std::string_view text);

/// What the detect script says about one node.
struct NodeReport {
    std::string url;
    bool is_alive = false;
    unsigned milliseconds = 0;
    std::string why_not;
};
/// Asks every node, without memory, the machine's own peer last. Takes up to a second.
Result<std::vector<NodeReport>> ask_nodes(const std::vector<std::string>& nodes,
                                          const OwnPeer& own = {});

/// What of it is for an apt that knows snapshots. `node`: one that answers, which is asked what it
/// serves; empty: none. What has no snapshots is named in `notes`, one sentence each.
std::string snapshot_conf_text(const std::filesystem::path& root, const std::string& node,
                               std::vector<std::string>& notes);

inline constexpr std::uint64_t kMaxSourceBytes = 4 << 20;
/// apt's files of sources, as seen inside the root; not each need be there.
std::vector<std::string> source_files(const std::filesystem::path& root);
/// "Some.Example:8080" and "user@[2001:db8::1]" are of the hosts "some.example", "[2001:db8::1]".
std::string host_of_authority(std::string_view authority);
/// Hosts with credentials in auth.conf: apt would not send them over http, and must not.
std::vector<std::string> hosts_with_passwords(const std::filesystem::path& root);
/// Whether the node serves this suite of a source (with an http URI).
bool is_served(const std::string& node, const std::string& uri, const std::string& suite);

/// One file that setup wants to be so.
struct PlannedFile {
    std::string path;  ///< As seen inside the root.
    std::string content;
    ::mode_t mode = 0644;
};

/// Rewrites https and mirror+file sources into the plain http that the node at `node` claims.
/// What cannot be rewritten is named in `notes`, one sentence each. `rewritten` gets the pairs.
Result<std::vector<PlannedFile>> plan_sources(const std::filesystem::path& root,
                                              const std::string& node,
                                              std::vector<node::Rewritten>& rewritten,
                                              std::vector<std::string>& notes);

/// The machine's other proxy settings: what wins over ours, and what ours wins over; one sentence
/// each, naming file and line.
struct ProxyConflicts {
    std::vector<std::string> stronger, weaker;
};
ProxyConflicts find_conflicts(const std::filesystem::path& root);

/// A unified diff of two texts. Exact; made for small changes.
std::string unified_diff(const std::string& name, std::string_view before, std::string_view after);

int client_undo(const std::filesystem::path& root);
int client_status(const std::filesystem::path& root, bool is_json);

}  // namespace aptward::cli
