// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward doctor`: one sentence per archive: what works, what does not, why, and what to do.
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kLittleSpace = 1'000'000'000;
constexpr std::int64_t kExpirySoon = 48 * 3600;
constexpr std::int64_t kLongUnchecked = 6 * 3600;

struct Finding {
    bool is_fine = true;
    std::string subject, sentence;
};

std::string joined(const std::vector<std::string>& parts)
{
    return fmt::format("{}", fmt::join(parts, "; "));
}

// What is wrong with one suite; empty when nothing is.
std::string trouble_of(const std::string& archive, const Json& suite, std::int64_t now)
{
    const std::string name = suite.value("suite", "");
    const Json verdict = suite.value("verdict", Json::object());
    if (suite.value("generation", "").empty())
        return fmt::format("{} is not served: {} ({}); see aptward events", name,
                           verdict.value("message", "no source has answered yet"),
                           verdict.value("code", "suite.unavailable"));
    if (!suite.value("held", "").empty())
        return name + ": a newer " + suite.value("held", "") +
               "; the last whole one is served, and it is tried again by itself";
    for (const Json& key : suite.value("signers_not_in_keyring", Json::array()))
        return fmt::format(
            "{0} was accepted with key {1}, which no keyring holds any more: it goes on being "
            "served; if the vendor withdrew the key: aptward keys revoke {2} {1}",
            name, key.get<std::string>(), archive);
    const std::string code = verdict.value("code", "");
    if (code != "release.accepted" && code != "release.unchanged" && code != "release.restored" &&
        code != "release.unverified")
        return fmt::format("{}: a source shows a release that is refused: {} ({})", name,
                           verdict.value("message", ""), code);
    const std::int64_t until = suite.value("valid_until", std::int64_t{0});
    if (until != 0 && until < now)
        return name +
               " is expired: the vendor has published no newer release; clients refuse it "
               "unless their source says [check-valid-until=no]";
    if (until != 0 && until - now < kExpirySoon)
        return fmt::format("{} expires in {}", name, human_seconds(until - now));
    const std::int64_t unchecked = now - suite.value("checked_at", std::int64_t{0});
    if (unchecked > kLongUnchecked)
        return fmt::format("{} was not confirmed by any source for {}: what is held is served",
                           name, human_seconds(unchecked));
    return "";
}

Finding judge_archive(const Json& archive, std::int64_t now)
{
    std::vector<std::string> troubles;
    const Json suites = archive.value("suites", Json::array());
    std::size_t served = 0;
    for (const Json& suite : suites) {
        if (!suite.value("generation", "").empty())
            ++served;
        const std::string trouble = trouble_of(archive.value("id", ""), suite, now);
        if (!trouble.empty())
            troubles.push_back(trouble);
    }
    std::size_t good = 0;
    const Json sources = archive.value("sources", Json::array());
    for (const Json& source : sources) {
        const std::string health = source.value("health", "");
        const bool is_sick = health == "down" || health == "shaky";
        // It answers; what it shows is refused. Another upstream is no cure for that.
        const bool is_refused =
            is_sick && source.value("last_fault", "").rfind("untrusted", 0) == 0;
        if (health == "good" || health == "untried" || is_refused)
            ++good;
        if (is_refused)
            troubles.push_back(fmt::format(
                "{} answers, but what it shows is refused ({}): see aptward events, aptward keys",
                source.value("url", ""), source.value("last_fault", "")));
        else if (is_sick)
            troubles.push_back(fmt::format("{} is {} ({})", source.value("url", ""), health,
                                           source.value("last_fault", "")));
    }
    if (good == 0 && !sources.empty())
        troubles.push_back(
            "no source works: what is held goes on being served; add an upstream "
            "under upstreams in aptward.toml");
    for (const Json& key : archive.value("proposed_keys", Json::array()))
        troubles.push_back(
            fmt::format("key {} is new in its keyring and does not count yet: see aptward keys",
                        key.value("fingerprint", "")));
    if (archive.value("verify", "") != "enforce")
        troubles.push_back("it is NOT verified (verify = \"" + archive.value("verify", "") + "\")");
    if (const Json frozen = archive.value("frozen", Json()); frozen.is_object())
        troubles.push_back(fmt::format(
            "it is frozen to {} by {}: nothing newer reaches clients until aptward thaw {}",
            frozen.value("stamp", ""), frozen.value("who", ""), archive.value("id", "")));
    Finding finding;
    finding.subject = archive.value("id", "");
    finding.is_fine = troubles.empty();
    finding.sentence =
        fmt::format("{} of {} suites served, {} of {} sources work{}", served, suites.size(), good,
                    sources.size(), troubles.empty() ? "." : "; but " + joined(troubles) + ".");
    return finding;
}

Finding judge_disk(const std::filesystem::path& state)
{
    struct ::statvfs space{};
    Finding finding;
    finding.subject = "disk";
    if (::statvfs(state.c_str(), &space) != 0) {
        finding.is_fine = false;
        finding.sentence = "the state folder " + state.string() + " cannot be looked at.";
        return finding;
    }
    const std::uint64_t left = std::uint64_t{space.f_bavail} * space.f_frsize;
    finding.is_fine = left >= kLittleSpace;
    finding.sentence = fmt::format("{} left below {}{}", human_size(left), state.string(),
                                   finding.is_fine ? "."
                                                   : ": files are passed on but not kept when "
                                                     "it is full; free some.");
    return finding;
}

// Nothing without a quota, or before anything was counted.
std::optional<Finding> judge_quota(const Json& status)
{
    const Json quota = status.value("quota", Json());
    if (!quota.is_object() || !quota.contains("held_bytes"))
        return std::nullopt;
    const auto bytes = [&](const char* key) {
        return human_size(quota.value(key, std::uint64_t{0}));
    };
    Finding finding{true, "quota",
                    fmt::format("{} of {} held", bytes("held_bytes"), bytes("bytes"))};
    finding.is_fine = quota.value("over_bytes", std::uint64_t{0}) == 0;
    finding.sentence +=
        finding.is_fine
            ? "."
            : fmt::format(
                  "; it cannot hold, by {}: {}, and what was used within an hour. Raise "
                  "quota in aptward.toml, which counts when it is read again, drop "
                  "snapshots (aptward snapshot drop), or shorten hot-for and restart; "
                  "aptward gc --dry-run shows what there is.",
                  bytes("over_bytes"), quota.value("what_stays", ""));
    return finding;
}

// Nothing when all that ought to be held is.
std::optional<Finding> judge_unmended(const Json& status, std::int64_t now)
{
    const Json unmended = status.value("unmended", Json::object());
    const Json files = unmended.value("files", Json::array());
    if (unmended.value("count", 0) == 0 || files.empty())
        return std::nullopt;
    return Finding{
        false, "held files",
        fmt::format(
            "{} that are needed are damaged or gone, and no source gave them {} ago, the "
            "first {} ({}); clients who ask for them get what a source gives then. The node "
            "tries again by itself; aptward scrub tries at once. If no source has them any "
            "more: add an upstream that does, or import them (aptward import, aptward "
            "bundle import).",
            unmended.value("count", 0), human_seconds(now - unmended.value("at", now)),
            files[0].value("name", ""), files[0].value("why", ""))};
}

// Nothing where it works, or is not wanted. Never bad: most machines have no Avahi.
std::optional<Finding> judge_discovery(const Json& status)
{
    const std::string trouble = trouble_of_discovery(status.value("discovery", Json::object()));
    return trouble.empty() ? std::nullopt
                           : std::optional(Finding{true, "discovery", trouble + "."});
}

// Nothing where it works, or is not wanted.
std::optional<Finding> judge_swarm(const Json& status)
{
    const std::string trouble = trouble_of_swarm(status.value("swarm", Json::object()),
                                                 status.value("dht", Json::object()));
    return trouble.empty() ? std::nullopt : std::optional(Finding{false, "swarm", trouble + "."});
}

// Nothing without one, or before it was looked at.
std::optional<Finding> judge_blob_service(const Json& status)
{
    const Json service = status.value("blob_service", Json());
    const std::string state = service.is_object() ? service.value("state", "") : "";
    if (state.empty() || state == "untried")
        return std::nullopt;
    if (state == "good")
        return Finding{true, "blob service", fmt::format("{} answers.", service.value("url", ""))};
    return Finding{false, "blob service",
                   fmt::format("{}: {} ({}). Clients get their files from elsewhere meanwhile, and "
                               "what is held stays; docs/blob-service.md says what to do.",
                               service.value("url", ""), service.value("why", ""), state)};
}

// Nothing without peers.
std::optional<Finding> judge_peers(const Json& status)
{
    const Json peers = status.value("peers", Json::array());
    if (peers.empty())
        return std::nullopt;
    std::vector<std::string> troubles;
    std::size_t count = 0;
    for (const Json& peer : peers) {
        const std::string state = peer.value("state", "");
        const bool has_gone = peer.value("from", "") == "found" && state == "unreachable";
        if (has_gone)
            continue;  // as laptops do
        ++count;
        if (state != "linked" && state != "untried" && state != "duplicate")
            troubles.push_back(fmt::format("{} is not asked ({}): {}", peer.value("url", ""), state,
                                           peer.value("why", "")));
    }
    Finding finding;
    finding.subject = "peers";
    finding.is_fine = troubles.empty();
    finding.sentence = fmt::format("{} of {} peers are asked{}", count - troubles.size(), count,
                                   troubles.empty() ? "." : "; " + joined(troubles) + ".");
    return finding;
}

int diagnose(const Reach& reach, bool is_json)
{
    const auto config = load_config_to_ask(reach);
    if (!config)
        return kUsage;
    const auto answer = ask_admin(config->admin, "GET", "/api/v1/status");
    const Json status = answer ? Json::parse(answer->body, nullptr, false) : Json();
    if (!status.is_object()) {
        std::fprintf(
            stderr, "aptward: %s\n",
            answer ? "the node's answer is not readable" : answer.error().message().c_str());
        return kUnknown;
    }
    const std::int64_t now = to_unix(system_now());
    std::vector<Finding> findings;
    for (const Json& archive : status.value("archives", Json::array()))
        findings.push_back(judge_archive(archive, now));
    findings.push_back(judge_disk(config->state));
    if (auto quota = judge_quota(status))
        findings.push_back(std::move(*quota));
    if (auto peers = judge_peers(status))
        findings.push_back(std::move(*peers));
    if (auto discovery = judge_discovery(status))
        findings.push_back(std::move(*discovery));
    if (auto swarm = judge_swarm(status))
        findings.push_back(std::move(*swarm));
    if (auto service = judge_blob_service(status))
        findings.push_back(std::move(*service));
    if (auto unmended = judge_unmended(status, now))
        findings.push_back(std::move(*unmended));
    if (const Json drill = status.value("drill", Json()); drill.is_object())
        findings.push_back(
            {false, "drill",
             fmt::format("a drill by {} runs against {} ({}) and ends in {} at the latest: what "
                         "this says of its sources is the drill's doing.",
                         drill.value("who", ""), drill.value("archive", ""),
                         drill.value("fault", ""),
                         human_seconds(drill.value("until", now) - now))});
    for (const Json& note : status.value("notes", Json::array()))
        findings.push_back({false, "note", note.get<std::string>()});
    const bool is_fine = std::all_of(findings.begin(), findings.end(),
                                     [](const Finding& finding) { return finding.is_fine; });
    Json list = Json::array();
    for (const Finding& finding : findings) {
        list.push_back({{"subject", finding.subject},
                        {"fine", finding.is_fine},
                        {"sentence", finding.sentence}});
        if (!is_json)
            fmt::print("{} {}: {}\n", finding.is_fine ? "ok " : "!! ", finding.subject,
                       finding.sentence);
    }
    if (is_json)
        fmt::print("{}\n", list.dump(1));
    return is_fine ? kOk : kNo;
}

}  // namespace

void add_doctor(CLI::App& app, Action& action)
{
    auto reach = std::make_shared<Reach>();
    auto is_json = std::make_shared<bool>(false);
    CLI::App* command =
        app.add_subcommand("doctor", "Say per archive what works, what does not, and what to do");
    add_reach_options(*command, *reach, ReadsState::yes);
    command->add_flag("--json", *is_json, "Print the facts as JSON");
    command->callback([&action, reach, is_json] {
        action = [reach, is_json] { return diagnose(*reach, *is_json); };
    });
}

}  // namespace aptward::cli
