// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward verify FILE...`: files of any origin against what this node holds as proof.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "catalog/proof.h"
#include "cli/commands.h"
#include "cli/verify_file.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

struct Options {
    Reach reach;
    std::string archive;
    std::vector<std::string> files;
    bool is_json = false, is_offline = false;
};

/// What was found out about one file.
struct Finding {
    std::string verdict;  ///< "proven", "wrong", "refused", "not proven", "unreadable"
    std::string reason;
    Json proof = Json::object();
};

/// Where the proof comes from: the running node, or its state folder.
class Prover {
public:
    Prover(const node::Config& config, const Options& options) : config_(config), options_(options)
    {
    }

    Result<Json> ask(const VerifiedFile& file)
    {
        if (!options_.is_offline && !held_) {
            auto answer = ask_admin(config_.admin, "GET", "/api/v1/proof?" + query(file));
            if (answer && answer->status == 200) {
                Json proof = Json::parse(answer->body, nullptr, false);
                if (proof.is_object())
                    return proof;
            }
            if (answer)
                return fail(Errc::unavailable, "the node answered: " + answer->body);
        }
        if (!held_) {
            TRY(held_, catalog::read_held(config_.state));
        }
        catalog::ProofQuestion question{file.digests, file.names, file.release_id,
                                        options_.archive};
        catalog::Proof proof;
        for (const auto& [id, view] : held_->archives)
            TRY_VOID(catalog::look_up(question, id, view, proof));
        catalog::look_up_release(question, held_->suites, catalog::Refused::look_at(config_.state),
                                 proof);
        return Json::parse(catalog::to_json(proof));
    }

private:
    std::string query(const VerifiedFile& file) const
    {
        std::string text;
        for (const Digest& digest : file.digests)
            text += (digest.algorithm == HashAlgorithm::sha256 ? "&sha256=" : "&sha512=") +
                    digest.hex();
        for (const std::string& name : file.names)
            text += "&name=" + name;
        if (!file.release_id.empty())
            text += "&release=" + file.release_id;
        if (!options_.archive.empty())
            text += "&archive=" + options_.archive;
        return text.substr(1);
    }

    const node::Config& config_;
    const Options& options_;
    std::optional<catalog::Held> held_;
};

std::string signers_of(const Json& place)
{
    const auto signers = place.value("signed_by", std::vector<std::string>());
    return fmt::format("{}", fmt::join(signers, ", "));
}

// "debian bookworm main"
std::string where_of(const Json& place)
{
    const std::string component = place.value("component", "");
    return place.value("archive", "") + " " + place.value("suite", "") +
           (component.empty() ? "" : " " + component);
}

std::string release_of(const Json& place)
{
    const std::string age = place.value("age", "");
    return fmt::format("{}release of {}", age == "current" ? "" : age + " ",
                       place.value("date_text", ""));
}

Json first_of(const Json& proof, const char* list, const char* kind)
{
    for (const Json& place : proof.value(list, Json::array()))
        if (kind == nullptr || place.value("kind", "") == kind)
            return place;
    return Json();
}

// A place in an archive that is configured unverified proves nothing.
Finding judge_bytes(const VerifiedFile& file, const Json& proof)
{
    Json place;
    for (const char* kind : {"pool", "index"})
        for (const Json& one : proof.value("proven", Json::array()))
            if (place.is_null() && one.value("kind", "") == kind && !signers_of(one).empty())
                place = one;
    if (!place.is_null())
        return {"proven",
                fmt::format("{} in {}, {}, signed by {}", place.value("path", ""), where_of(place),
                            release_of(place), signers_of(place)),
                {}};
    const Json unsigned_place = first_of(proof, "proven", nullptr);
    if (!unsigned_place.is_null())
        return {
            "not proven",
            fmt::format("{} lists it, but that archive is not verified", where_of(unsigned_place)),
            {}};
    const Json other = first_of(proof, "other_bytes", nullptr);
    if (!other.is_null())
        return {"wrong",
                fmt::format("{} lists other bytes for {}: {} with the hash {}", where_of(other),
                            file.what, other.value("path", ""), other.value("hash", "")),
                {}};
    return {"not proven",
            "no held release names these bytes" +
                (file.trouble.empty() ? "" : " (and " + file.trouble + ")"),
            {}};
}

Finding judge_release(const Json& proof, const SignatureOutcome& fresh)
{
    const Json place = first_of(proof, "proven", "release");
    const Json refused = first_of(proof, "refused", nullptr);
    // An accepted release survives the end of its key; other bytes around its text do not.
    const bool is_expired = fresh.verdict.code == "release.expired-signature";
    if (!place.is_null() && !signers_of(place).empty() && (fresh.is_good || is_expired)) {
        const std::string age = place.value("age", "");
        return {
            "proven",
            fmt::format(
                "the {} release of {}{}, signed by {}{}", age, where_of(place),
                place.value("date", std::int64_t{0}) == 0
                    ? ""
                    : ", dated " + place.value("date_text", ""),
                fmt::format("{}", fmt::join(fresh.is_good ? fresh.signers
                                                          : place.value("signed_by",
                                                                        std::vector<std::string>()),
                                            ", ")),
                is_expired ? " (its key has expired since)" : ""),
            {}};
    }
    if (!refused.is_null())
        return {"refused",
                fmt::format("{} showed it for {} {} on {}: {} ({})", refused.value("source", ""),
                            refused.value("archive", ""), refused.value("suite", ""),
                            refused.value("time_text", ""), refused.value("message", ""),
                            refused.value("code", "")),
                {}};
    if (!fresh.is_good)
        return {
            "not proven", fmt::format("{} ({})", fresh.verdict.message, fresh.verdict.code), {}};
    return {"not proven",
            fmt::format("{} signed it for {}, but this node has never accepted it",
                        fmt::join(fresh.signers, ", "), fresh.archive),
            {}};
}

Finding verify_one(const std::string& path, Prover& prover, SignatureCheck& check)
{
    const auto file = read_for_verification(path);
    if (!file)
        return {"unreadable", file.error().message(), {}};
    auto proof = prover.ask(*file);
    if (!proof)
        return {"unreadable", "nothing can be said: " + proof.error().message(), {}};
    Finding finding =
        file->is_release
            ? judge_release(*proof, check.run(*file, first_of(*proof, "proven", "release")))
            : judge_bytes(*file, *proof);
    finding.proof = std::move(*proof);
    finding.proof["sha256"] = file->digests.front().hex();
    finding.proof["size"] = file->digests.front().size_bytes;
    if (!file->package.empty()) {
        finding.proof["package"] = file->package;
        finding.proof["version"] = file->version;
    }
    return finding;
}

int verify(const Options& options)
{
    // Before any thread: it forks.
    auto spawner = crypto::Spawner::start();
    auto config = load_config(options.reach.config);
    if (!config)
        return kUsage;
    apply(options.reach, *config);
    if (!spawner) {
        std::fprintf(stderr, "aptward: %s\n", spawner.error().message().c_str());
        return kUnknown;
    }
    const auto engine = crypto::make_gpgv(**spawner);
    Prover prover(*config, options);
    SignatureCheck check(*config, options.archive, *engine);
    if (!check.has_archive()) {
        std::fprintf(stderr, "aptward: there is no archive %s in %s\n", options.archive.c_str(),
                     config->origin.c_str());
        return kUsage;
    }
    int status = kOk;
    Json list = Json::array();
    for (const std::string& path : options.files) {
        Finding finding = verify_one(path, prover, check);
        if (finding.verdict != "proven")
            status = std::max(status, finding.verdict == "unreadable" ? kUnknown : kNo);
        const std::string sentence =
            fmt::format("{}: {}: {}", path, finding.verdict, finding.reason);
        if (options.is_json) {
            finding.proof["file"] = path;
            finding.proof["verdict"] = finding.verdict;
            finding.proof["sentence"] = sentence;
            list.push_back(std::move(finding.proof));
        } else {
            fmt::print("{}\n", sentence);
        }
    }
    if (options.is_json)
        fmt::print("{}\n", list.dump(1, ' ', false, Json::error_handler_t::replace));
    return status;
}

}  // namespace

void add_verify(CLI::App& app, Action& action)
{
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "verify", "Check files (a Release, an index, a .deb, a source) against the held proof");
    add_reach_options(*command, options->reach, ReadsState::yes);
    command->add_option("files", options->files, "Files to check")->required();
    command->add_option("--archive", options->archive, "Only this archive counts");
    command->add_flag("--json", options->is_json, "Print the facts as JSON");
    command->add_flag("--offline", options->is_offline,
                      "Read the state folder instead of asking the running node");
    command->callback([&action, options] { action = [options] { return verify(*options); }; });
}

}  // namespace aptward::cli
