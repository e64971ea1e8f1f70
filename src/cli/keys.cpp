// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward keys`: which keys count for each archive, and approving new ones.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"
#include "cli/commands.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

struct Options {
    Reach reach;
    std::string archive;
    std::vector<std::string> fingerprints;
    bool is_json = false;
};

// Signers of what is served that no keyring holds any more: withdrawn by the vendor, perhaps.
void print_strangers(const Json& archive)
{
    const std::string id = archive.value("id", "");
    std::set<std::pair<std::string, std::string>> found;
    for (const Json& suite : archive.value("suites", Json::array()))
        for (const Json& key : suite.value("signers_not_in_keyring", Json::array()))
            found.emplace(key.get<std::string>(), suite.value("suite", ""));
    for (const auto& [key, suite] : found)
        fmt::print(
            "{}  {}  NOT IN THE KEYRING any more, but {} was accepted with it (aptward keys revoke "
            "{} {} ends that)\n",
            id, key, suite, id, key);
}

int list(const Options& options)
{
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    const auto answer = ask_admin(config->admin, "GET", "/api/v1/status");
    if (!answer) {
        std::fprintf(stderr, "aptward: %s\n", answer.error().message().c_str());
        return kUnknown;
    }
    const Json status = Json::parse(answer->body, nullptr, false);
    if (!status.is_object())
        return kUnknown;
    Json archives = Json::array();
    bool is_any_proposed = false;
    for (const Json& archive : status.value("archives", Json::array())) {
        const std::string id = archive.value("id", "");
        archives.push_back({{"archive", id},
                            {"approved", archive.value("approved_keys", Json::array())},
                            {"revoked", archive.value("revoked_keys", Json::array())},
                            {"proposed", archive.value("proposed_keys", Json::array())}});
        if (options.is_json)
            continue;
        for (const Json& key : archive.value("approved_keys", Json::array()))
            fmt::print("{}  {}  approved\n", id, key.get<std::string>());
        const Json taken_back = archive.value("revoked_keys", Json::array());
        for (const Json& key : taken_back)
            fmt::print("{}  {}  REVOKED  (aptward keys approve {} {} takes that back)\n", id,
                       key.get<std::string>(), id, key.get<std::string>());
        print_strangers(archive);
        for (const Json& key : archive.value("proposed_keys", Json::array())) {
            if (std::find(taken_back.begin(), taken_back.end(), key["fingerprint"]) !=
                taken_back.end())
                continue;
            is_any_proposed = true;
            fmt::print("{}  {}  PROPOSED  {}{}\n", id, key.value("fingerprint", ""),
                       printable(key.value("user_id", "")),
                       key.value("vouched_by", "").empty()
                           ? "  (no release signed by an approved key vouches for it)"
                           : "  (signed a release beside approved keys)");
        }
    }
    if (options.is_json)
        fmt::print("{}\n", archives.dump(1));
    else if (is_any_proposed)
        fmt::print(
            "\nCompare the fingerprint with what the vendor announced, then:\n"
            "    aptward keys approve ARCHIVE FINGERPRINT\n");
    return kOk;
}

int approve(const Options& options)
{
    return send_order(options.reach, "/api/v1/keys/approve",
                      {{"archive", options.archive}, {"keys", options.fingerprints}});
}

int revoke(const Options& options)
{
    return send_order(options.reach, "/api/v1/keys/revoke",
                      {{"archive", options.archive}, {"key", options.fingerprints.front()}});
}

}  // namespace

void add_keys(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* keys =
        app.add_subcommand("keys", "Show which keys count for each archive; approve or revoke");
    add_reach_options(*keys, options->reach);
    keys->add_flag("--json", options->is_json, "Print the facts as JSON");
    keys->callback([&action, options, keys] {
        if (keys->get_subcommands().empty())
            action = [options] { return list(*options); };
    });
    CLI::App* approving = keys->add_subcommand(
        "approve", "Let proposed keys of an archive count; without FINGERPRINT all of them");
    add_reach_options(*approving, options->reach);
    approving->add_option("archive", options->archive, "Id of the archive")->required();
    approving->add_option("fingerprint", options->fingerprints, "Primary fingerprints");
    approving->callback([&action, options] { action = [options] { return approve(*options); }; });
    CLI::App* revoking = keys->add_subcommand(
        "revoke", "Let a key of an archive count for nothing, and withdraw what it alone signed");
    add_reach_options(*revoking, options->reach);
    revoking->add_option("archive", options->archive, "Id of the archive")->required();
    revoking->add_option("fingerprint", options->fingerprints, "Primary fingerprint")
        ->required()
        ->expected(1);
    revoking->callback([&action, options] { action = [options] { return revoke(*options); }; });
}

}  // namespace aptward::cli
