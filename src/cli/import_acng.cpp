// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward import apt-cacher-ng`: its rules as an aptward.toml on standard output.
#include <fmt/format.h>
#include <fnmatch.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/commands.h"
#include "deb/deb.h"
#include "node/acng_rules.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxBytes = 16 << 20;

struct Options {
    std::filesystem::path folder = "/etc/apt-cacher-ng";
    std::filesystem::path support = "/usr/lib/apt-cacher-ng";
    bool is_json = false;
};

// The files of a folder whose name fits, in order of their names.
std::vector<std::filesystem::path> files_like(const std::filesystem::path& folder,
                                              const std::string& pattern)
{
    std::vector<std::filesystem::path> found;
    std::error_code error;
    std::filesystem::directory_iterator entries(folder, error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error))
        if (::fnmatch(pattern.c_str(), entries->path().filename().c_str(), FNM_PERIOD) == 0)
            found.push_back(entries->path());
    std::sort(found.begin(), found.end());
    return found;
}

// A list is looked for beside the configuration, then among what the package ships; each time as
// named, then as the package's default.
std::vector<std::string> read_list(const Options& options, const std::string& name)
{
    std::vector<std::string> urls;
    for (const std::string& wanted : {name, name + ".default"}) {
        for (const auto& folder : {options.folder, options.support}) {
            for (const std::filesystem::path& file : files_like(folder, wanted)) {
                auto bytes = read_file(file, kMaxBytes);
                const auto form = deb::compression_of(file.string());
                if (bytes && form != deb::Compression::none)
                    bytes = deb::decompress(*bytes, form, kMaxBytes);
                if (!bytes)
                    continue;
                const auto listed = node::read_acng_list(*bytes);
                urls.insert(urls.end(), listed.begin(), listed.end());
            }
            if (!urls.empty())
                return urls;
        }
    }
    return urls;
}

std::vector<std::string> find_keyrings(const std::string& vendor)
{
    const std::string file = "/usr/share/keyrings/" + vendor + "-archive-keyring.gpg";
    std::error_code error;
    if (std::filesystem::is_regular_file(file, error))
        return {file};
    return {};
}

Json to_json(const node::AcngTranslation& translation)
{
    Json archives = Json::array();
    for (const node::AcngArchive& archive : translation.archives)
        archives.push_back({{"id", archive.id},
                            {"rule", archive.rule},
                            {"hosts", archive.hosts},
                            {"upstreams", archive.upstreams},
                            {"keyrings", archive.keyrings},
                            {"proxy", archive.proxy}});
    return {{"listen", translation.listen},
            {"proxy", translation.proxy},
            {"connect_hosts", translation.connect_hosts},
            {"archives", archives},
            {"untranslated", translation.untranslated}};
}

int import(const Options& options)
{
    auto files = files_like(options.folder, "*.conf");
    // The administrator's password: nothing of it is wanted, and it may be unreadable.
    std::erase_if(files, [](const auto& file) { return file.filename() == "security.conf"; });
    if (files.empty()) {
        std::fprintf(stderr, "aptward: there is no *.conf in %s; name apt-cacher-ng's folder\n",
                     options.folder.c_str());
        return kUsage;
    }
    node::AcngRules rules;
    for (const std::filesystem::path& file : files) {
        const auto text = read_file(file, kMaxBytes);
        if (!text) {
            std::fprintf(stderr, "aptward: %s\n", text.error().message().c_str());
            return kUnknown;
        }
        node::read_acng_conf(*text, rules);
    }
    const node::ReadAcngList reader = [&](const std::string& name) {
        return read_list(options, name);
    };
    const node::AcngTranslation translation = node::translate_acng(rules, reader, find_keyrings);
    if (options.is_json)
        fmt::print(
            "{}\n",
            to_json(translation).dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
    else
        fmt::print("{}", node::acng_toml(translation));
    return kOk;
}

}  // namespace

void add_import(CLI::App& app, Action& action)
{
    CLI::App* command =
        app.add_subcommand("import", "Take over another program's rules, or its stock");
    command->require_subcommand(1);
    CLI::App* acng = command->add_subcommand(
        "apt-cacher-ng", "Print its Remap and PassThrough rules as an aptward.toml");
    auto options = std::make_shared<Options>();
    acng->add_option("folder", options->folder, "Its configuration (default: /etc/apt-cacher-ng)");
    acng->add_option("--support", options->support,
                     "Its lists of mirrors (default: /usr/lib/apt-cacher-ng)");
    acng->add_flag("--json", options->is_json, "Print the facts as JSON");
    acng->callback([&action, options] { action = [options] { return import(*options); }; });
    add_import_stock(*command, action);
}

}  // namespace aptward::cli
