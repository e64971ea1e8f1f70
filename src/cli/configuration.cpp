// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward config check | keys`, and loading the configuration for every other command.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "cli/commands.h"

namespace aptward::cli {
namespace {

node::ConfigOutcome read(const std::string& file, const std::vector<std::string>& listen)
{
    if (!file.empty())
        return node::read_config(file, listen);
    if (std::filesystem::exists(kConfigFile))
        return node::read_config(kConfigFile, listen);
    return node::zero_config("/", listen);
}

int check(const std::string& file)
{
    const auto outcome = read(file, {});
    for (const node::Mistake& mistake : outcome.mistakes)
        std::fprintf(stderr, "%s: %s\n", mistake.where.c_str(), mistake.message.c_str());
    if (!outcome.config)
        return kUsage;
    for (const std::string& note : outcome.config->notes)
        std::printf("note: %s\n", note.c_str());
    std::printf("%s: fine, %zu archives\n", outcome.config->origin.c_str(),
                outcome.config->archives.size());
    return kOk;
}

void print(const std::vector<node::Mistake>& mistakes)
{
    for (const node::Mistake& mistake : mistakes)
        std::fprintf(stderr, "aptward: %s: %s\n", mistake.where.c_str(), mistake.message.c_str());
}

int list_keys()
{
    std::string section = "?";
    for (const node::ConfigKey& key : node::config_keys()) {
        if (section != key.section) {
            section = key.section;
            fmt::print("{}\n", section.empty() ? "# at the top" : "\n[[" + section + "]]");
        }
        fmt::print("{} = {}\n    {}. {}\n", key.name,
                   *key.standard == '\0' ? key.required : key.standard, key.type, key.meaning);
    }
    return kOk;
}

}  // namespace

bool is_terminal()
{
    return ::isatty(STDOUT_FILENO) == 1;
}

void add_config_option(CLI::App& command, std::string& file)
{
    command.add_option("--config", file,
                       std::string("Configuration file (default: ") + kConfigFile +
                           " when it exists, else the machine's apt sources)");
}

void add_reach_options(CLI::App& command, Reach& reach, ReadsState reads_state)
{
    add_config_option(command, reach.config);
    command
        .add_option("--admin", reach.admin,
                    "Admin address of the node, such as unix:/run/aptward/admin (default: the "
                    "configuration's)")
        ->envname("APTWARD_ADMIN");
    reach.reads_state = reads_state == ReadsState::yes;
    if (reach.reads_state)
        command
            .add_option("--state", reach.state,
                        "Folder of what the node keeps (default: the configuration's)")
            ->envname("APTWARD_STATE");
}

void apply(const Reach& reach, node::Config& config)
{
    if (!reach.admin.empty())
        config.admin = reach.admin;
    if (!reach.state.empty())
        config.state = std::filesystem::absolute(reach.state);
}

std::optional<node::Config> load_config(const std::string& file,
                                        const std::vector<std::string>& listen)
{
    auto outcome = read(file, listen);
    print(outcome.mistakes);
    return std::move(outcome.config);
}

std::optional<node::Config> load_config_to_ask(const Reach& reach)
{
    if (reach.config.empty() && !reach.admin.empty() &&
        (!reach.reads_state || !reach.state.empty())) {
        node::Config config;
        apply(reach, config);
        return config;
    }
    auto outcome = read(reach.config, {});
    for (auto* config : {&outcome.config, &outcome.unfinished})
        if (*config)
            apply(reach, **config);
    const bool is_only_hidden =
        std::all_of(outcome.mistakes.begin(), outcome.mistakes.end(), [](const auto& mistake) {
            return mistake.message.find(std::strerror(EACCES)) != std::string::npos;
        });
    if (outcome.unfinished && is_only_hidden)
        return std::move(outcome.unfinished);
    print(outcome.mistakes);
    return std::move(outcome.config);
}

void add_config(CLI::App& app, Action& action)
{
    CLI::App* config = app.add_subcommand("config", "Check the configuration, or list its keys");
    config->require_subcommand(1);
    auto file = std::make_shared<std::string>();
    CLI::App* checking = config->add_subcommand("check", "Say whether the configuration is right");
    add_config_option(*checking, *file);
    checking->callback([&action, file] { action = [file] { return check(*file); }; });
    add_config_suggest(*config, action);
    config->add_subcommand("keys", "List every key with its default and meaning")
        ->callback([&action] { action = list_keys; });
}

}  // namespace aptward::cli
