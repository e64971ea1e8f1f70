// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward client report`: tells a node what this machine has, so that the node holds what it will
// want.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <memory>

#include "base/file.h"
#include "base/text.h"
#include "cli/client_parts.h"
#include "cli/commands.h"
#include "deb/deb.h"
#include "stock/machines.h"

namespace aptward::cli {
namespace {

constexpr std::uint64_t kMaxFileBytes = 64 * 1024 * 1024;
constexpr const char* kReportPath = "/.well-known/aptward/machines";
constexpr std::string_view kHttp = "http://";

struct Options {
    std::filesystem::path root = "/";
    std::string node, name;
    bool only_prints = false;
};

// Empty for a file that is not there: most machines have no preferences.
std::string text_of(const std::filesystem::path& root, const std::string& path)
{
    return read_file(node::below(root, path), kMaxFileBytes).value_or("");
}

// In the order in which apt reads them.
std::vector<std::string> preferences_of(const std::filesystem::path& root)
{
    const std::string folder = "/etc/apt/preferences.d";
    std::vector<std::string> files;
    std::error_code error;
    std::filesystem::directory_iterator entries(node::below(root, folder), error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
        const std::string extension = entries->path().extension().string();
        if (extension.empty() || extension == ".pref")
            files.push_back(folder + "/" + entries->path().filename().string());
    }
    std::sort(files.begin(), files.end());
    files.insert(files.begin(), "/etc/apt/preferences");
    std::vector<std::string> texts;
    for (const std::string& file : files)
        if (std::string text = text_of(root, file); !text.empty())
            texts.push_back(std::move(text));
    return texts;
}

std::string host_name(const std::filesystem::path& root)
{
    const std::string kept = text_of(root, "/etc/hostname");
    if (const auto parts = words(kept); !parts.empty())
        return std::string(parts.front());
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

Result<stock::MachineReport> gather(const Options& options)
{
    stock::MachineReport report;
    report.name = to_lower(options.name.empty() ? host_name(options.root) : options.name);
    if (!stock::is_machine_name(report.name))
        return fail(Errc::malformed,
                    fmt::format("\"{}\" is no name for a machine: give one with --name, of "
                                "letters, digits, '-', '_' and '.'",
                                printable(report.name)));
    TRY(const auto sources, deb::read_apt_sources(options.root.string()));
    TRY(report.machine.settings,
        deb::read_apt_settings(solve::known_settings(), options.root.string()));
    const std::vector<std::string> architectures = deb::apt_architectures();
    report.machine.architecture = architectures.front();
    report.machine.foreign_architectures.assign(architectures.begin() + 1, architectures.end());
    for (const deb::AptSource& source : sources)
        if (source.binary)
            report.sources.push_back({source.uri, source.suite, source.components});
    TRY(const std::string status,
        read_file(node::below(options.root, "/var/lib/dpkg/status"), kMaxFileBytes));
    report.machine.status = stock::trim_status(status);
    report.machine.extended_states = text_of(options.root, "/var/lib/apt/extended_states");
    report.machine.preferences = preferences_of(options.root);
    const std::string id = text_of(options.root, "/etc/machine-id");
    report.machine.id = std::string(trim(id.substr(0, id.find('\n'))));
    return report;
}

// "http://node.example:3142" -> what ask_admin takes. The first node that takes it is enough.
int send(const std::vector<std::string>& nodes, const stock::MachineReport& report)
{
    const std::string text = stock::to_json(report);
    std::string why;
    for (const std::string& node : nodes) {
        const auto url = parse_node(node);
        if (!url)
            return failed(url.error().message(), kUsage);
        const auto answer = ask_admin(url->substr(kHttp.size()), "POST", kReportPath, text);
        if (answer && answer->status == 200) {
            fmt::print("{} knows what {} has now.\n", *url, report.name);
            return kOk;
        }
        why = answer ? fmt::format("{} did not take it: {}", *url, printable(answer->body))
                     : answer.error().message();
    }
    return failed(why, kUnknown);
}

int report(const Options& options)
{
    const auto gathered = gather(options);
    if (!gathered)
        return failed(gathered.error().message(), kUsage);
    if (options.only_prints) {
        fmt::print("{}\n", stock::to_json(*gathered));
        return kOk;
    }
    if (!options.node.empty())
        return send({options.node}, *gathered);
    const auto manifest = node::read_client_manifest(options.root);
    if (!manifest)
        return failed(
            "which node? This machine is not set up (aptward client setup), so name one "
            "with --node URL",
            kUsage);
    return send(manifest->nodes, *gathered);
}

}  // namespace

void add_client_report(CLI::App& client, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = client.add_subcommand(
        "report", "Tell a node what is installed here, so that it holds what will be wanted");
    command->add_option("--node", options->node,
                        "The node; without it those that setup was given, the first that answers");
    command->add_option("--name", options->name, "What it calls this machine; the host name");
    command->add_flag("--print", options->only_prints, "Show what would be sent, and send nothing");
    command->add_option("--root", options->root,
                        "Of the machine below this folder, such as a mounted image");
    command->callback([&action, options] { action = [options] { return report(*options); }; });
}

}  // namespace aptward::cli
