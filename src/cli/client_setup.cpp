// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward client setup`: what apt on this machine needs to ask the nodes, and everything that
// undo needs to take it back. The manifest is written before each file, apt's configuration last:
// a setup that is cut short changes nothing for apt, and can be undone or run again.
#include "cli/client_setup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/file.h"
#include "cli/client_parts.h"
#include "cli/client_peer.h"
#include "cli/commands.h"
#include "crypto/crypto.h"

namespace aptward::cli {

using node::below;
using node::ClientFile;
using node::ClientManifest;

namespace {

constexpr std::uint64_t kMaxFileBytes = 8 << 20;

std::string hash_of(std::string_view text)
{
    return crypto::digest_of(text).hex();
}

Result<std::vector<std::string>> choose_nodes(const SetupOptions& options,
                                              const ClientManifest& manifest)
{
    std::vector<std::string> nodes;
    for (const std::string& text : options.nodes) {
        TRY(const std::string node, parse_node(text));
        if (std::find(nodes.begin(), nodes.end(), node) == nodes.end())
            nodes.push_back(node);
    }
    if (nodes.empty())
        nodes = manifest.nodes;
    if (!nodes.empty() || options.is_peer || !manifest.peer_hosts.empty())
        return nodes;
    TRY(const auto reports, ask_nodes({kPeerUrl}));
    if (!reports.front().is_alive)
        return fail(Errc::malformed,
                    "which node? Write --node http://node.example:3142, once for each node, the "
                    "preferred one first (none answers on this machine itself)");
    return std::vector<std::string>{kPeerUrl};
}

/// Everything that setup would write, without writing.
struct Plan {
    ClientManifest manifest;
    std::vector<PlannedFile> files;
    std::vector<std::string> notes;
};

// A file that setup wrote and somebody edited since: rewriting it again would lose that.
bool was_edited(const std::filesystem::path& root, const ClientManifest& manifest,
                const std::string& path)
{
    const ClientFile* known = manifest.find(path);
    const auto text = read_file(below(root, path), kMaxFileBytes);
    return known != nullptr && text && hash_of(*text) != known->written_hex;
}

// `node`: one that answers; empty: none.
Result<void> plan_rewriting(const SetupOptions& options, Plan& plan, const std::string& node)
{
    if (node.empty())
        return fail(Errc::unavailable,
                    "no node answers, so nobody can say which sources may be rewritten: start one, "
                    "or leave --rewrite-https out");
    std::vector<node::Rewritten> rewritten;
    TRY(auto files, plan_sources(options.root, node, rewritten, plan.notes));
    for (PlannedFile& file : files) {
        if (was_edited(options.root, plan.manifest, file.path))
            plan.notes.push_back(file.path +
                                 " was edited since the last setup and stays: run `aptward client "
                                 "undo` first");
        else
            plan.files.push_back(std::move(file));
    }
    for (node::Rewritten& pair : rewritten) {
        const auto same = [&](const node::Rewritten& known) {
            return known.from == pair.from && known.to == pair.to;
        };
        auto& known = plan.manifest.rewritten;
        if (std::none_of(known.begin(), known.end(), same))
            known.push_back(std::move(pair));
    }
    return {};
}

// A setup without --peer leaves the peer as it is: undo takes it back.
Result<void> plan_peer(const SetupOptions& options, Plan& plan)
{
    if (!options.is_peer)
        return {};
    if (plan.manifest.peer_hosts.empty()) {
        TRY(const auto reports, ask_nodes({kPeerUrl}));
        if (reports.front().is_alive)
            return fail(Errc::malformed,
                        fmt::format("a node answers on this machine already ({}), and is a peer by "
                                    "itself: --peer is for a machine without one (systemctl "
                                    "disable --now aptward ends the one of the package)",
                                    kPeerUrl));
    }
    TRY(plan.manifest.peer_hosts, find_shared_hosts(options.root, plan.notes));
    std::error_code error;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error)
        return fail(Errc::unavailable, "where this program lies: " + error.message());
    for (PlannedFile& file : peer_files(plan.manifest.peer_hosts, program.string()))
        plan.files.push_back(std::move(file));
    return {};
}

Result<Plan> make_plan(const SetupOptions& options)
{
    Plan plan;
    auto known = node::read_client_manifest(options.root);
    if (known)
        plan.manifest = std::move(*known);
    else if (known.error().code() != Errc::not_found)
        return tl::unexpected<Error>(known.error());
    TRY(plan.manifest.nodes, choose_nodes(options, plan.manifest));
    plan.manifest.tunnels_https = options.tunnels_https;
    TRY_VOID(plan_peer(options, plan));
    TRY(const auto reports, ask_nodes(plan.manifest.nodes));
    for (const NodeReport& report : reports)
        if (!report.is_alive)
            plan.notes.push_back(
                fmt::format("{} cannot be used now: {}; apt asks it again at each "
                            "run",
                            report.url, report.why_not));
    plan.files.push_back(
        {kDetectFile, detect_script(plan.manifest.nodes, own_peer(plan.manifest)), 0755});
    const auto alive = std::find_if(reports.begin(), reports.end(),
                                    [](const NodeReport& report) { return report.is_alive; });
    const std::string node = alive == reports.end() ? "" : alive->url;
    if (options.rewrites_https)
        TRY_VOID(plan_rewriting(options, plan, node));
    std::string conf = apt_conf_text(options.tunnels_https);
    if (!plan.manifest.nodes.empty())
        conf += snapshot_conf_text(options.root, node, plan.notes);
    plan.files.push_back({kAptConfFile, std::move(conf), 0644});
    return plan;
}

// Keeps the original of a file that setup is about to write for the first time.
Result<void> keep_original(const std::filesystem::path& root, const PlannedFile& file,
                           ClientManifest& manifest)
{
    ClientFile entry;
    entry.path = file.path;
    const std::filesystem::path place = below(root, file.path);
    struct ::stat status{};
    auto text = read_file(place, kMaxFileBytes);
    if (text) {
        if (::stat(place.c_str(), &status) != 0)
            return fail_errno("looking at " + place.string(), errno);
        entry.original = fmt::format("original-{}", manifest.files.size());
        entry.mode = status.st_mode & 07777U;
        entry.user = status.st_uid;
        entry.group = status.st_gid;
        TRY_VOID(write_file_as(below(root, node::kClientFolder) / entry.original, *text,
                               {entry.mode, entry.user, entry.group}));
    } else if (text.error().code() != Errc::not_found) {
        return tl::unexpected<Error>(text.error());
    }
    manifest.files.push_back(std::move(entry));
    return {};
}

Result<bool> write_planned(const std::filesystem::path& root, const PlannedFile& file,
                           ClientManifest& manifest)
{
    const std::filesystem::path place = below(root, file.path);
    const auto now = read_file(place, kMaxFileBytes);
    const bool is_known = manifest.find(file.path) != nullptr;
    struct ::stat status{};
    const bool is_there = ::stat(place.c_str(), &status) == 0;
    const ::mode_t mode = file.mode != 0 ? file.mode : status.st_mode & 07777U;
    if (is_known && now && *now == file.content && (status.st_mode & 07777U) == mode)
        return false;
    if (!is_known)
        TRY_VOID(keep_original(root, file, manifest));
    const std::string hash = hash_of(file.content);
    for (ClientFile& entry : manifest.files)
        if (entry.path == file.path)
            entry.written_hex = hash;
    TRY_VOID(node::write_client_manifest(root, manifest));
    TRY_VOID(make_directories(place.parent_path()));
    const bool keeps_owner = file.mode == 0 && is_there;
    TRY_VOID(write_file_as(place, file.content,
                           {mode, keeps_owner ? status.st_uid : ::geteuid(),
                            keeps_owner ? status.st_gid : ::getegid()}));
    return true;
}

// apt's methods run as _apt, and only their user's word about dead nodes is believed.
Result<void> make_memory(const std::filesystem::path& root)
{
    const std::filesystem::path folder = below(root, kMemoryFolder);
    TRY_VOID(make_directories(folder));
    ::chmod(folder.c_str(), 0755);
    const ::passwd* user = ::getpwnam("_apt");
    if (::geteuid() == 0 && user != nullptr &&
        ::chown(folder.c_str(), user->pw_uid, user->pw_gid) != 0)
        return fail_errno("giving " + folder.string() + " to _apt", errno);
    return {};
}

Result<std::vector<std::string>> apply(const std::filesystem::path& root, Plan& plan)
{
    const std::filesystem::path folder = below(root, node::kClientFolder);
    TRY_VOID(make_directories(folder));
    ::chmod(folder.c_str(), 0755);
    TRY_VOID(make_memory(root));
    std::vector<std::string> written;
    for (const PlannedFile& file : plan.files) {
        TRY(const bool is_new, write_planned(root, file, plan.manifest));
        if (is_new)
            written.push_back(file.path);
    }
    TRY_VOID(node::write_client_manifest(root, plan.manifest));
    return written;
}

int fail_setup(const Error& error)
{
    std::fprintf(stderr, "aptward: %s\n", error.message().c_str());
    return error.code() == Errc::malformed ? kUsage : kUnknown;
}

int begin_peer(const std::filesystem::path& root)
{
    const auto is_started = start_peer(root);
    if (!is_started) {
        std::fprintf(stderr, "aptward: the small peer does not run: %s\n",
                     is_started.error().message().c_str());
        return kUnknown;
    }
    if (*is_started)
        fmt::print("{} runs: this machine is a peer of its local networks\n", kPeerUnit);
    else
        fmt::print(
            "note: there is no systemd here that could start {}: aptward serve --config {}\n",
            kPeerUnit, kPeerConfigFile);
    return kOk;
}

void show(const Plan& plan, const ProxyConflicts& conflicts)
{
    for (const std::string& note : plan.notes)
        fmt::print("note: {}\n", note);
    for (const std::string& sentence : conflicts.weaker)
        fmt::print("note: {}\n", sentence);
}

}  // namespace

OwnPeer own_peer(const node::ClientManifest& manifest)
{
    return manifest.peer_hosts.empty() ? OwnPeer{} : OwnPeer{kPeerUrl, manifest.peer_hosts};
}

std::string apt_conf_text(bool tunnels_https)
{
    std::string text = fmt::format(
        "// Written by `aptward client setup`; `aptward client undo` removes it.\n"
        "// apt asks this program for a proxy, once for each host: an Aptward node that answers,\n"
        "// else DIRECT.\n"
        "Acquire::http::Proxy-Auto-Detect \"{}\";\n",
        kDetectFile);
    if (tunnels_https)
        text += fmt::format("Acquire::https::Proxy-Auto-Detect \"{}\";\n", kDetectFile);
    else
        text +=
            "// https sources go their own way: a tunnel through a node can be neither proven nor\n"
            "// kept (`aptward client setup --rewrite-https` or --tunnel-https).\n";
    return text;
}

Result<void> write_file_as(const std::filesystem::path& path, std::string_view bytes,
                           const Ownership& ownership)
{
    TRY_VOID(write_file_durably(path, bytes, 0600));
    if (::geteuid() == 0 && ::chown(path.c_str(), ownership.user, ownership.group) != 0)
        return fail_errno("giving " + path.string() + " its owner", errno);
    if (::chmod(path.c_str(), ownership.mode) != 0)
        return fail_errno("setting the mode of " + path.string(), errno);
    return {};
}

int client_setup(const SetupOptions& options)
{
    const ProxyConflicts conflicts = find_conflicts(options.root);
    auto plan = make_plan(options);
    if (!plan)
        return fail_setup(plan.error());
    for (const std::string& sentence : conflicts.stronger)
        std::fprintf(stderr, "aptward: %s\n", sentence.c_str());
    if (!conflicts.stronger.empty()) {
        std::fprintf(stderr, "aptward: nothing was changed\n");
        return kNo;
    }
    if (options.is_dry) {
        for (const PlannedFile& file : plan->files) {
            const std::string now =
                read_file(below(options.root, file.path), kMaxFileBytes).value_or("");
            fmt::print("{}", unified_diff(file.path, now, file.content));
        }
        show(*plan, conflicts);
        return kOk;
    }
    const auto written = apply(options.root, *plan);
    if (!written)
        return fail_setup(Error(written.error())
                              .within("this machine is set up in part (aptward "
                                      "client undo takes it back)"));
    for (const std::string& path : *written)
        fmt::print("wrote {}\n", path);
    if (written->empty())
        fmt::print("this machine was set up already; nothing was changed\n");
    show(*plan, conflicts);
    auto asked = plan->manifest.nodes;
    if (!plan->manifest.peer_hosts.empty())
        asked.emplace_back(kPeerUrl);
    fmt::print("apt asks {}, and goes DIRECT when no node answers within a second\n",
               fmt::join(asked, ", then "));
    return options.is_peer ? begin_peer(options.root) : kOk;
}

}  // namespace aptward::cli
