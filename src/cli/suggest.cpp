// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward config suggest`: the stanzas that clients' requests for unclaimed hosts call for.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "archive/snapshot_names.h"
#include "base/text.h"
#include "cli/commands.h"
#include "node/acng_rules.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

struct Options {
    Reach reach;
    bool is_json = false;
};

// "/debian-security" -> "debian-security"; what is no name for an archive becomes '-'.
std::string id_of(const std::string& host, const std::string& folder)
{
    const std::string last = folder.substr(std::min(folder.rfind('/') + 1, folder.size()));
    const bool is_telling = last.rfind("debian", 0) == 0 || last.rfind("ubuntu", 0) == 0;
    std::string id = to_lower(is_telling ? last : host + (last.empty() ? "" : "-" + last));
    for (char& c : id)
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
            c = '-';
    return id;
}

std::vector<std::string> keyrings_for(const std::string& folder)
{
    for (const char* vendor : {"debian", "ubuntu"}) {
        const std::string file = fmt::format("/usr/share/keyrings/{}-archive-keyring.gpg", vendor);
        std::error_code none;
        if (folder.find(vendor) != std::string::npos && std::filesystem::exists(file, none))
            return {file};
    }
    return {};
}

std::string stanza_for(const Json& place)
{
    const std::string host = place.value("host", ""), folder = place.value("folder", "");
    node::AcngArchive archive;
    archive.id = id_of(host, folder);
    archive.rule = fmt::format("asked for by {} clients, {} times", place.value("clients", 0),
                               place.value("requests", 0));
    archive.upstreams = {(place.value("https", false) ? "https://" : "http://") + host + folder};
    archive.keyrings = keyrings_for(folder);
    if (auto snapshots = archive::vendors_snapshot_host(host, folder); !snapshots.empty())
        archive.snapshots = {std::move(snapshots)};
    return node::stanza(archive);
}

int suggest(const Options& options)
{
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const auto answer = ask_admin(config->admin, "GET", "/api/v1/unknown-hosts");
    const Json places = answer ? Json::parse(answer->body, nullptr, false) : Json();
    if (!places.is_array()) {
        std::fprintf(
            stderr, "aptward: %s\n",
            answer ? "the node's answer is not readable" : answer.error().message().c_str());
        return kUnknown;
    }
    if (options.is_json) {
        fmt::print("{}\n", places.dump(1));
        return kOk;
    }
    if (places.empty())
        fmt::print("# No client has asked for a host that no archive claims.\n");
    for (const Json& place : places)
        fmt::print("{}", stanza_for(place));
    return kOk;
}

}  // namespace

void add_config_suggest(CLI::App& config, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = config.add_subcommand(
        "suggest", "Print [[archive]] stanzas for hosts that clients asked for in vain");
    add_reach_options(*command, options->reach);
    command->add_flag("--json", options->is_json, "Print the facts as JSON");
    command->callback([&action, options] { action = [options] { return suggest(*options); }; });
}

}  // namespace aptward::cli
