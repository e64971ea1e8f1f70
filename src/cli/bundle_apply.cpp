// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward bundle apply FILE -- COMMAND`: for a machine with no node. A node of its own, in a
// folder that is removed afterwards, takes the bundle in; apt is led to it for as long as the
// command runs.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "base/file.h"
#include "base/log.h"
#include "base/temporary_folder.h"
#include "cli/bundle_parts.h"
#include "cli/run_program.h"

namespace aptward::cli {
namespace {

struct Options {
    std::string config, file;
    std::vector<std::string> signers, command;
};

volatile std::sig_atomic_t is_interrupted = 0;

void interrupt(int)
{
    is_interrupted = 1;
}

// Nobody else may reach it, and nothing is remembered.
void keep_apart(node::Config& config, const std::filesystem::path& folder)
{
    config.state = folder / "state";
    config.listen = {"127.0.0.1:0"};
    config.listeners.clear();
    config.admin = "unix:" + (folder / "admin").string();
    config.clients.clear();
    config.deliveries_kept = std::chrono::seconds(0);
    config.scrub_every = std::chrono::seconds(0);
    config.peers.discover = peer::Discover::off;
    config.log_level = LogLevel::error;
}

// A proxy that is named for a host comes before whatever else the machine's configuration says.
std::string apt_configuration(const node::Config& config, const std::string& address)
{
    std::string text;
    if (const char* before = std::getenv("APT_CONFIG"))
        text += fmt::format("#include \"{}\";\n", std::filesystem::absolute(before).string());
    text += fmt::format("Acquire::http::Proxy \"http://{}\";\n", address);
    for (const archive::ArchiveSettings& archive : config.archives)
        for (const std::string& place : archive.hosts) {
            const std::string host = archive::read_prefix(place, 0).host;
            text += fmt::format("Acquire::http::Proxy::{} \"http://{}\";\n",
                                host.substr(0, host.find(':')), address);
        }
    return text;
}

int run_with(const std::filesystem::path& apt_config, const std::vector<std::string>& command)
{
    // As a shell does: Ctrl-C is for the command.
    std::signal(SIGINT, SIG_IGN);
    const std::vector<std::string> environment = {"APT_CONFIG=" + apt_config.string()};
    for (const auto& words : {std::vector<std::string>{"apt-get", "update", "-q"}, command}) {
        const auto status = run_in_place(words, environment);
        if (!status)
            return complain(status.error());
        if (*status != 0)
            return *status;
    }
    return kOk;
}

int apply(const Options& options)
{
    is_interrupted = 0;
    for (const int number : {SIGINT, SIGTERM})
        std::signal(number, interrupt);
    std::signal(SIGPIPE, SIG_IGN);
    // Before any thread: it forks.
    auto spawner = crypto::Spawner::start();
    auto config = load_config(options.config);
    if (!config)
        return kUsage;
    if (!spawner)
        return complain(spawner.error());
    const char* chosen = std::getenv("TMPDIR");
    const auto folder =
        TemporaryFolder::make(chosen != nullptr ? chosen : "/var/tmp", "aptward-apply");
    if (!folder)
        return complain(folder.error());
    keep_apart(*config, folder->path());
    configure_log(config->log_level, config->log_format);
    auto node = node::Node::start(*config, **spawner);
    if (!node)
        return complain(node.error());
    const int imported =
        serve_bundle(**node, options.file, options.signers, [] { return is_interrupted != 0; });
    if (imported != kOk)
        return imported;
    const auto apt_config = folder->path() / "apt.conf";
    const auto written =
        write_file_durably(apt_config, apt_configuration(*config, (*node)->addresses().front()));
    if (!written)
        return complain(written.error());
    return run_with(apt_config, options.command);
}

}  // namespace

void add_bundle_apply(CLI::App& bundle, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = bundle.add_subcommand(
        "apply",
        "Run apt-get update and then a command with what a bundle carries, without a node");
    add_config_option(*command, options->config);
    command->add_option("--signed-by", options->signers,
                        "Refuse it unless one of these keys (NAME+ID+KEY) has signed it");
    command->add_option("file", options->file, "The bundle, or its first piece")->required();
    command->add_option("command", options->command, "What to run, such as apt-get install hello")
        ->required();
    command->footer("Write -- in front of a command that has options.");
    command->callback([&action, options] { action = [options] { return apply(*options); }; });
}

}  // namespace aptward::cli
