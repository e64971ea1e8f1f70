// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward bundle create | inspect`: one file with what a node holds, for where no network leads.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "archive/unknown_archive.h"
#include "base/file.h"
#include "base/text.h"
#include "bundle/bundle.h"
#include "cli/bundle_parts.h"
#include "cli/bundle_wishes.h"
#include "cli/commands.h"
#include "cli/despite_freeze.h"
#include "cli/known_archive.h"
#include "cli/selection_options.h"
#include "crypto/crypto.h"
#include "deb/deb.h"
#include "tlog/identity.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostNamed = 20;  // missing files, on a screen

struct CreateOptions {
    Reach reach;
    std::string archive;
    std::vector<std::string> suites, packages, machines, stock_lists;
    bundle::Output output;
    std::string list, split;
    bool has_recommends = true, allows_missing = false, is_despite_freeze = false;
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

void print_names(std::FILE* stream, const std::vector<std::string>& missing)
{
    for (std::size_t i = 0; i < std::min(missing.size(), kMostNamed); ++i)
        fmt::print(stream, "  {}\n", printable(missing[i]));
    if (missing.size() > kMostNamed)
        fmt::print(stream, "  and {} more\n", missing.size() - kMostNamed);
}

void print_missing(const std::vector<std::string>& missing)
{
    if (missing.size() == 1) {
        fmt::print(stderr,
                   "aptward: 1 of what was asked for is not held ({}); fetch it through the node "
                   "first, or go on without it by --allow-missing\n",
                   printable(missing.front()));
        return;
    }
    fmt::print(stderr,
               "aptward: {} of what was asked for are not held; fetch them through the node "
               "first, or go on without them by --allow-missing:\n",
               missing.size());
    print_names(stderr, missing);
}

Result<bundle::Request> request_of(const CreateOptions& options, const node::Config& config)
{
    if (options.archive.empty())
        return wishes_of_machines(config, options.machines, options.stock_lists);
    bundle::Request request;
    request.parts = {{options.archive, options.suites}};
    return request;
}

Result<bundle::Plan> plan_from(const CreateOptions& options, const node::Config& config,
                               const store::Blobs& blobs, crypto::Spawner& spawner)
{
    // The node looks first: what it names is what the state that is read next has.
    TRY(bundle::Request request, request_of(options, config));
    TRY(const catalog::Held held, catalog::read_held(config.state));
    if (!options.archive.empty() && !is_known(config, held, options.archive))
        return fail(Errc::not_found, archive::unknown_archive(options.archive));
    if (!options.is_despite_freeze)
        for (const bundle::Request::Part& part : request.parts)
            TRY_VOID(check_thawed(held.decisions, part.archive));
    store::PrivateMarks marks;
    TRY_VOID(marks.open(config.state));
    if (!options.packages.empty())
        TRY_VOID(add_wishes({held, blobs, marks, spawner}, options.packages, options.has_recommends,
                            request));
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
    if (const std::vector<std::string>& missing = plan.manifest.missing; !missing.empty()) {
        fmt::print("{} of what was asked for {} missing in it:\n", missing.size(),
                   missing.size() == 1 ? "is" : "are");
        print_names(stdout, missing);
    }
    return kOk;
}

int create(CreateOptions options)
{
    const bool has_subjects = !options.machines.empty() || !options.stock_lists.empty();
    if (options.archive.empty() != has_subjects)
        return usage(
            "name what the bundle is for: an archive, or by --machine and --stock-list whom");
    if (has_subjects && (!options.packages.empty() || !options.list.empty()))
        return usage("--packages and --list choose from an archive: name one, and no machine");
    if (!options.split.empty()) {
        const auto split = parse_size(options.split);
        if (!split || *split < 1'000'000)
            return usage("--split \"" + options.split +
                         "\" is no size of at least 1M: write 4G or 700M");
        options.output.split_bytes = *split;
    }
    if (!options.list.empty()) {
        auto names = read_package_list(options.list);
        if (!names)
            return usage(names.error().message());
        options.packages = std::move(*names);
    }
    // Before any thread: it forks.
    auto spawner = crypto::Spawner::start();
    if (!spawner)
        return complain(spawner.error());
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
    const auto plan = plan_from(options, *config, **blobs, **spawner);
    if (!plan)
        return complain(plan.error());
    const std::vector<std::string>& missing = plan->manifest.missing;
    if (!missing.empty() && !options.allows_missing) {
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
        bundle.add_subcommand("create",
                              "Write what the node holds of an archive, or for a machine, into one "
                              "file");
    add_reach_options(*command, options->reach, ReadsState::yes);
    command->add_option("archive", options->archive, "Archive to take from");
    command->add_option("suites", options->suites, "Only these suites");
    command->add_option("--output", options->output.file, "File to write")->required();
    const auto add_list = [command](const char* name, std::vector<std::string>& list,
                                    const char* text) {
        return command->add_option(name, list, text)->delimiter(',')->allow_extra_args(false);
    };
    auto* packages = add_list("--packages", options->packages,
                              "Only these packages and what they need, such as hello,nano");
    command
        ->add_option("--list", options->list,
                     "The same from a file: a name a line, or what dpkg --get-selections prints")
        ->excludes(packages);
    command->add_flag("--recommends,!--no-recommends", options->has_recommends,
                      "What packages need includes what they recommend (the default)");
    add_list("--machine", options->machines,
             "What these machines have and would upgrade to: the running node is asked");
    add_list("--stock-list", options->stock_lists,
             "What these lists of the configuration want: the running node is asked");
    command->add_option("--split", options->split,
                        "Write FILE.001, FILE.002, ... of at most this size, such as 4G");
    command->add_flag("--allow-missing", options->allows_missing, "Go on without what is not held");
    add_despite_freeze(*command, options->is_despite_freeze);
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
