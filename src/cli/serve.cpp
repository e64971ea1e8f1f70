// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward serve`: runs the node until SIGTERM; SIGHUP reloads the configuration.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>

#include "base/log.h"
#include "cli/bundle_parts.h"
#include "cli/commands.h"
#include "cli/self_check.h"
#include "node/activation.h"
#include "node/node.h"

namespace aptward::cli {
namespace {

constexpr std::chrono::seconds kLookAtKeyrings{5};

struct Options {
    std::string config;
    std::string state;
    std::vector<std::string> listen;
    std::string admin;
    std::string bundle;
    bool checks_itself = false;
};

// Every thread inherits the mask: signals come to the main thread's sigwait only.
::sigset_t block_signals()
{
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);  // a file over RLIMIT_FSIZE is an error like a full disk (R4)
    ::sigset_t set;
    ::sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP})
        ::sigaddset(&set, number);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    return set;
}

void raise_descriptor_limit()
{
    ::rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void apply(const Options& options, node::Config& config)
{
    if (!options.state.empty())
        config.state = std::filesystem::absolute(options.state);
    if (!options.listen.empty())
        config.listen = options.listen;
    if (!options.admin.empty())
        config.admin = options.admin;
}

// A package upgrade brings a new keyring file: it is read again as if SIGHUP had come, and its new
// keys are proposed.
class KeyringWatch {
public:
    explicit KeyringWatch(node::Node& node) : node_(node), seen_(look()) {}

    bool have_changed()
    {
        auto now = look();
        const bool is_other = now != seen_;
        seen_ = std::move(now);
        return is_other;
    }

private:
    std::map<std::string, std::filesystem::file_time_type> look() const
    {
        std::map<std::string, std::filesystem::file_time_type> times;
        for (const std::string& file : node_.keyring_files()) {
            std::error_code none;
            times[file] = std::filesystem::last_write_time(file, none);
        }
        return times;
    }

    node::Node& node_;
    std::map<std::string, std::filesystem::file_time_type> seen_;
};

void reload(node::Node& node, const Options& options)
{
    auto config = load_config(options.config, options.listen);
    if (!config) {
        log_error("config.refused", {}, "the new configuration has mistakes; the old one stays");
        return;
    }
    apply(options, *config);
    const auto done = node.reload(std::move(*config));
    if (!done)
        log_error("config.refused", {}, done.error().message());
    else
        log_info("config.reloaded", {}, "the new configuration is in force");
}

// A signal that the main thread has not come to yet: its sources may be silent for long.
bool is_asked_to_stop()
{
    ::sigset_t pending;
    return ::sigpending(&pending) == 0 &&
           (::sigismember(&pending, SIGTERM) == 1 || ::sigismember(&pending, SIGINT) == 1);
}

// As a shell finds it.
std::string own_program()
{
    std::error_code none;
    const auto file = std::filesystem::read_symlink("/proc/self/exe", none);
    return none || file.parent_path() == "/usr/bin" ? "aptward" : file.string();
}

// Shows the table of what is served and the line for apt; the first thing a newcomer sees.
void introduce(node::Node& node, bool checks_itself, const std::string& state_option)
{
    const bool is_shown = is_terminal();
    const auto show = [&](std::size_t done, std::size_t total) {
        if (is_shown)
            fmt::print("\rfetching and proving suites: {} of {} ", done, total);
        std::fflush(stdout);
    };
    node.refresh_known(std::chrono::seconds(90), show, is_asked_to_stop);
    if (is_asked_to_stop())
        return;
    if (is_shown)
        fmt::print("\r{:40}\r", "");
    const std::string address = node.addresses().empty() ? "" : node.addresses().front();
    if (checks_itself && !address.empty())
        fmt::print("{}\n", check_with_apt(address));
    fmt::print("{}\n", render_status_table(node.status_json(), is_terminal()));
    fmt::print("To ask this node:\n\n    {0} status --admin {1}\n    {0} doctor --admin {1}{2}\n\n",
               own_program(), node.admin_address(), state_option);
    if (address.empty())
        return;  // only [[listener]] tables: their clients know how to reach them
    fmt::print(
        "To use this node, put this line into /etc/apt/apt.conf.d/30aptward:\n\n"
        "    Acquire::http::Proxy \"http://{}\";\n\n",
        address);
    std::fflush(stdout);
}

int serve(const Options& options)
{
    auto config = load_config(options.config, options.listen);
    if (!config)
        return kUsage;
    apply(options, *config);
    configure_log(config->log_level, config->log_format);
    raise_descriptor_limit();
    const ::sigset_t signals = block_signals();
    auto spawner = crypto::Spawner::start();
    if (!spawner) {
        std::fprintf(stderr, "aptward: %s\n", spawner.error().message().c_str());
        return kUsage;
    }
    for (const std::string& note : config->notes)
        log_info("config.note", {}, note);
    auto node = node::Node::start(std::move(*config), **spawner);
    if (!node) {
        std::fprintf(stderr, "aptward: %s\n", node.error().message().c_str());
        return kUsage;
    }
    for (const std::string& address : (*node)->addresses())
        log_info("node.started", {{"address", address}, {"admin", (*node)->admin_address()}},
                 "serving clients");
    if (!options.bundle.empty())
        if (const int status = serve_bundle(**node, options.bundle, {}, is_asked_to_stop);
            status != kOk)
            return status;
    node::notify_service_manager("READY=1");
    introduce(**node, options.checks_itself,
              options.state.empty()
                  ? ""
                  : " --state " + std::filesystem::absolute(options.state).string());
    KeyringWatch keyrings(**node);
    for (;;) {
        const ::timespec pause{kLookAtKeyrings.count(), 0};
        const int number = ::sigtimedwait(&signals, nullptr, &pause);
        if (number < 0 && errno == EAGAIN && !keyrings.have_changed())
            continue;
        if (number < 0 && errno != EAGAIN)
            continue;
        if (number == SIGINT || number == SIGTERM)
            break;
        node::notify_service_manager("RELOADING=1");
        reload(**node, options);
        node::notify_service_manager("READY=1");
    }
    node::notify_service_manager("STOPPING=1");
    log_info("node.stopped", {}, "stopping: running answers may end");
    (*node)->stop();
    return kOk;
}

}  // namespace

void add_serve(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("serve", "Run the node");
    add_config_option(*command, options->config);
    command->add_option("--state", options->state, "Folder for everything the node keeps");
    command->add_option("--listen", options->listen, "Address for clients, such as 127.0.0.1:3142");
    command->add_option("--admin", options->admin,
                        "Admin address, such as unix:/run/aptward/admin");
    command->add_option(
        "--bundle", options->bundle,
        "Serve what this bundle carries, without a network; packages are read from it");
    command->add_flag("--self-check", options->checks_itself,
                      "Run a real apt-get update through the node first, in a private root");
    command->callback([&action, options] { action = [options] { return serve(*options); }; });
}

}  // namespace aptward::cli
