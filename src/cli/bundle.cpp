// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward bundle create | inspect`: one file with what a node holds, for where no network leads.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/text.h"
#include "bundle/bundle.h"
#include "cli/bundle_parts.h"
#include "cli/commands.h"
#include "deb/deb.h"
#include "tlog/identity.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxListBytes = 16 << 20;
constexpr std::size_t kMostNamed = 20;  // missing files, on a screen

struct CreateOptions {
    Reach reach;
    bundle::Request request;
    bundle::Output output;
    std::string list, split;
    bool allows_missing = false;
};

struct InspectOptions {
    std::string file;
    std::vector<std::string> signers;
    bool is_json = false;
};

volatile std::sig_atomic_t is_interrupted = 0;

void interrupt(int)
{
    is_interrupted = 1;
}

int usage(const std::string& sentence)
{
    std::fprintf(stderr, "aptward: %s\n", sentence.c_str());
    return kUsage;
}

// Names of packages, one a line, as people write them and as `dpkg --get-selections` prints them:
// of "NAME:ARCH STATE" what is to be removed is left out.
Result<std::vector<std::string>> read_list(const std::string& file)
{
    TRY(const std::string text, read_file(file, kMaxListBytes));
    std::vector<std::string> names;
    std::string_view rest = text;
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        const auto parts = words(line.substr(0, line.find('#')));
        const bool is_gone =
            parts.size() > 1 && (parts.back() == "deinstall" || parts.back() == "purge");
        if (!parts.empty() && !is_gone)
            names.emplace_back(parts.front().substr(0, parts.front().find(':')));
    }
    if (names.empty())
        return fail(Errc::malformed, file + " names no package");
    return names;
}

void print_missing(const std::vector<std::string>& missing)
{
    for (std::size_t i = 0; i < std::min(missing.size(), kMostNamed); ++i)
        std::fprintf(stderr, "  %s\n", printable(missing[i]).c_str());
    if (missing.size() > kMostNamed)
        fmt::print(stderr, "  and {} more\n", missing.size() - kMostNamed);
}

Result<bundle::Plan> plan_from(const std::filesystem::path& state, const store::Blobs& blobs,
                               const bundle::Request& request)
{
    TRY(const catalog::Held held, catalog::read_held(state));
    store::PrivateMarks marks;
    TRY_VOID(marks.open(state));
    return bundle::plan(held, blobs, marks, request);
}

int write(const CreateOptions& options, const std::filesystem::path& state,
          const bundle::Plan& plan, const store::Blobs& blobs)
{
    const auto signer = tlog::load_identity(state);
    if (!signer)
        return complain(signer.error());
    is_interrupted = 0;
    for (const int number : {SIGINT, SIGTERM})
        std::signal(number, interrupt);
    PacedProgress progress;
    const auto written = bundle::write(plan, blobs, *signer, system_now(), options.output,
                                       [&](std::uint64_t done, std::uint64_t total) {
                                           progress.show(done, total);
                                           return is_interrupted == 0;
                                       });
    if (!written)
        return complain(written.error());
    fmt::print("{}: {} files, {}, for {}; signed by {}\n", options.output.file.string(),
               plan.manifest.members.size(), human_size(plan.manifest.total_bytes()),
               printable(plan.purpose), signer->verifier().to_string());
    return kOk;
}

int create(CreateOptions options)
{
    if (!options.split.empty()) {
        const auto split = parse_size(options.split);
        if (!split || *split < 1'000'000)
            return usage("--split \"" + options.split +
                         "\" is no size of at least 1M: write 4G or 700M");
        options.output.split_bytes = *split;
    }
    if (!options.list.empty()) {
        auto names = read_list(options.list);
        if (!names)
            return usage(names.error().message());
        options.request.packages = std::move(*names);
    }
    const auto config = load_config_to_ask(options.reach);
    if (!config)
        return kUsage;
    std::error_code none;
    if (!std::filesystem::is_directory(config->state / "blobs", none))
        return usage(fmt::format("no state at {}: name the node's folder with --state",
                                 config->state.string()));
    const auto blobs = store::Blobs::open(config->state);
    if (!blobs)
        return complain(blobs.error());
    const auto plan = plan_from(config->state, **blobs, options.request);
    if (!plan)
        return complain(plan.error());
    const std::vector<std::string>& missing = plan->manifest.missing;
    if (!missing.empty() && !options.allows_missing) {
        fmt::print(stderr,
                   "aptward: {} of what was asked for are not held; fetch them through the node "
                   "first, or go on without them by --allow-missing:\n",
                   missing.size());
        print_missing(missing);
        return kNo;
    }
    return write(options, config->state, *plan, **blobs);
}

Result<void> check(bundle::Reader& reader, const std::vector<std::string>& signers)
{
    TRY_VOID(bundle::check_time(reader.heading(), system_now()));
    TRY_VOID(bundle::check_signer(reader, signers));
    PacedProgress progress;
    return reader.verify([&](std::uint64_t done, std::uint64_t total) {
        progress.show(done, total);
        return true;
    });
}

Json to_json(const bundle::Reader& reader)
{
    Json json = Json::parse(bundle::to_json(reader.manifest()));
    json["created"] = to_unix(reader.heading().created);
    json["purpose"] = reader.heading().purpose;
    json["signer"] = reader.signer().to_string();
    json["bytes"] = reader.file_bytes();
    return json;
}

void print_table(const std::string& file, const bundle::Reader& reader)
{
    const bundle::Manifest& manifest = reader.manifest();
    fmt::print("{}: whole, {} files, {}\n", file, manifest.members.size(),
               human_size(reader.file_bytes()));
    fmt::print("  for      {}\n", printable(reader.heading().purpose));
    fmt::print("  made     {}\n", deb::format_release_date(reader.heading().created));
    fmt::print("  by       {}\n", reader.signer().to_string());
    for (const bundle::BundledRelease& release : manifest.releases)
        fmt::print("  release  {} {}  {}  {}\n", printable(release.archive),
                   printable(release.suite), deb::format_release_date(release.date),
                   release.id.substr(0, 12));
    for (const std::string& what : manifest.missing)
        fmt::print("  missing  {}\n", printable(what));
}

int inspect(const InspectOptions& options)
{
    auto reader = bundle::Reader::open(options.file);
    auto checked = reader ? check(*reader, options.signers)
                          : Result<void>(tl::unexpected<Error>(reader.error()));
    if (checked) {
        if (!options.is_json) {
            print_table(options.file, *reader);
            return kOk;
        }
        Json json = to_json(*reader);
        json["whole"] = true;
        fmt::print("{}\n", json.dump(1, ' ', false, Json::error_handler_t::replace));
        return kOk;
    }
    const Error error = reader ? std::move(checked).error().within(options.file) : checked.error();
    if (options.is_json)
        fmt::print("{}\n", Json({{"whole", false}, {"reason", error.message()}})
                               .dump(1, ' ', false, Json::error_handler_t::replace));
    return complain(error);
}

void add_create(CLI::App& bundle, Action& action)
{
    auto options = std::make_shared<CreateOptions>();
    CLI::App* command =
        bundle.add_subcommand("create", "Write what the node holds of an archive into one file");
    add_reach_options(*command, options->reach, ReadsState::yes);
    command->add_option("archive", options->request.archive, "Archive to take from")->required();
    command->add_option("suites", options->request.suites, "Only these suites");
    command->add_option("--output", options->output.file, "File to write")->required();
    auto* packages =
        command
            ->add_option("--packages", options->request.packages,
                         "Only these packages and what they depend on, such as hello,nano")
            ->delimiter(',');
    command
        ->add_option("--list", options->list,
                     "The same from a file: a name a line, or what dpkg --get-selections prints")
        ->excludes(packages);
    command->add_option("--split", options->split,
                        "Write FILE.001, FILE.002, ... of at most this size, such as 4G");
    command->add_flag("--allow-missing", options->allows_missing, "Go on without what is not held");
    command->callback([&action, options] { action = [options] { return create(*options); }; });
}

void add_inspect(CLI::App& bundle, Action& action)
{
    auto options = std::make_shared<InspectOptions>();
    CLI::App* command =
        bundle.add_subcommand("inspect", "Check every byte of a bundle, and say what is in it");
    command->add_option("file", options->file, "The bundle, or its first piece")->required();
    command->add_option("--signed-by", options->signers,
                        "Refuse it unless one of these keys (NAME+ID+KEY) has signed it");
    command->add_flag("--json", options->is_json, "Print the facts as JSON");
    command->callback([&action, options] { action = [options] { return inspect(*options); }; });
}

}  // namespace

int complain(const Error& error)
{
    std::fprintf(stderr, "aptward: %s\n", error.message().c_str());
    switch (error.code()) {
        case Errc::not_found:
            return kUsage;
        case Errc::malformed:
        case Errc::untrusted:
        case Errc::stale:
            return kNo;
        case Errc::unavailable:
        case Errc::storage:
            return kUnknown;
    }
    return kUnknown;
}

void add_bundle(CLI::App& app, Action& action)
{
    CLI::App* bundle = app.add_subcommand(
        "bundle", "Carry releases and packages to where no network leads, in one file");
    bundle->require_subcommand(1);
    add_create(*bundle, action);
    add_inspect(*bundle, action);
    add_bundle_import(*bundle, action);
    add_bundle_apply(*bundle, action);
}

}  // namespace aptward::cli
