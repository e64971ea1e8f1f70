// SPDX-License-Identifier: GPL-3.0-or-later
// The two sides of a drill: what the node is told, and a real apt that asks it.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/file.h"
#include "base/text.h"
#include "cli/apt_root.h"
#include "cli/commands.h"
#include "cli/drill_parts.h"
#include "crypto/crypto.h"

namespace aptward::cli {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kAtOnce = 50;    // packages of one apt-get
constexpr std::size_t kMostWords = 5;  // of apt's, about one client

Error error_of(const AdminAnswer& answer)
{
    const std::string sentence = answer.sentence();
    return Error(answer.status == 409   ? Errc::stale
                 : answer.status == 404 ? Errc::not_found
                                        : Errc::malformed,
                 sentence.empty() ? fmt::format("the node answered {}", answer.status) : sentence);
}

Result<Json> ask(const std::string& admin, const std::string& method, const std::string& target,
                 const std::string& body = {})
{
    TRY(const AdminAnswer answer, ask_admin(admin, method, target, body));
    if (answer.status != 200)
        return tl::unexpected<Error>(error_of(answer));
    Json json = Json::parse(answer.body, nullptr, false);
    if (!json.is_object())
        return fail(Errc::unavailable, "the node's answer is not readable");
    return json;
}

std::vector<DrillPackage> packages_in(const Json& list)
{
    std::vector<DrillPackage> packages;
    for (const Json& one : list)
        packages.push_back({one.value("name", ""), one.value("version", "")});
    return packages;
}

// As apt names the file that it downloads: "foo_1%3a2_", then the architecture.
std::string file_start(const DrillPackage& package)
{
    std::string version = package.version;
    for (std::size_t at; (at = version.find(':')) != std::string::npos;)
        version.replace(at, 1, "%3a");
    return package.name + "_" + version + "_";
}

bool is_there(const std::filesystem::path& folder, const DrillPackage& package)
{
    const std::string start = file_start(package);
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
        const std::string name = entry.path().filename().string();
        if (name.rfind(start, 0) == 0 && name.ends_with(".deb"))
            return true;
    }
    return false;
}

std::vector<std::string> download_command(const std::vector<DrillPackage>& packages)
{
    std::vector<std::string> command = {"/usr/bin/apt-get", "download", "-q"};
    for (const DrillPackage& package : packages)
        command.push_back(package.name + "=" + package.version);
    return command;
}

// What it complains of, each once.
void add_complaints(const std::string& said, std::vector<std::string>& why)
{
    std::size_t at = 0;
    while (at < said.size() && why.size() < kMostWords) {
        const std::size_t end = std::min(said.find('\n', at), said.size());
        const std::string line = said.substr(at, end - at);
        at = end + 1;
        if ((line.rfind("E: ", 0) == 0 || line.rfind("W: ", 0) == 0) &&
            std::find(why.begin(), why.end(), line) == why.end())
            why.push_back(line);
    }
}

}  // namespace

Result<DrillStock> ask_stock(const std::string& admin, const std::string& archive,
                             std::size_t packages, const std::string& address)
{
    TRY(const Json json,
        ask(admin, "GET", fmt::format("/api/v1/drill?archive={}&packages={}", archive, packages)));
    DrillStock stock;
    stock.archive = archive;
    stock.address = address;
    for (const Json& one : json.value("addresses", Json::array()))
        if (stock.address.empty() && one.get<std::string>().rfind("unix:", 0) != 0)
            stock.address = one.get<std::string>();
    if (stock.address.empty())
        return fail(Errc::malformed, "the node has no address for clients: name one with --node");
    stock.architecture = json.value("architecture", "");
    stock.keyring = crypto::decode_base64(json.value("keyring", "")).value_or("");
    stock.is_verified = json.value("verified", true);
    for (const Json& suite : json.value("suites", Json::array())) {
        std::string line = suite.value("suite", "");
        for (const Json& component : suite.value("components", Json::array()))
            line += " " + component.get<std::string>();
        stock.suites.push_back(std::move(line));
    }
    stock.listed = json.value("listed", std::size_t{0});
    stock.held = json.value("held", std::size_t{0});
    stock.sources = json.value("sources", std::size_t{0});
    stock.some_held = packages_in(json.value("some_held", Json::array()));
    stock.some_missing = packages_in(json.value("some_missing", Json::array()));
    stock.would_be_missed = json.value("would_be_missed", Json::array());
    return stock;
}

Result<OrderedDrill> OrderedDrill::start(const std::string& admin, const std::string& archive,
                                         const std::string& fault, const Json& sources,
                                         bool is_alone, std::int64_t seconds)
{
    const Json request = {{"archive", archive},
                          {"fault", fault},
                          {"sources", sources},
                          {"alone", is_alone},
                          {"seconds", seconds}};
    TRY(const Json json, ask(admin, "POST", "/api/v1/drill", request.dump()));
    return OrderedDrill(admin, json.value("number", std::int64_t{0}),
                        json.value("sources", Json::array()).size(), json.value("others", false));
}

OrderedDrill::OrderedDrill(OrderedDrill&& other) noexcept
    : admin_(std::exchange(other.admin_, {})),
      number_(other.number_),
      disturbed_(other.disturbed_),
      has_others_(other.has_others_)
{
}

Result<std::uint64_t> OrderedDrill::end()
{
    const std::string admin = std::exchange(admin_, {});
    if (admin.empty())
        return 0;
    const Json request = {{"number", number_}};
    TRY(const AdminAnswer answer, ask_admin(admin, "POST", "/api/v1/drill/end", request.dump()));
    if (answer.status == 200) {
        const Json json = Json::parse(answer.body, nullptr, false);
        return json.is_object() ? json.value("transfers", std::uint64_t{0}) : 0;
    }
    return fail(Errc::stale,
                "the drill was over before its clients were: let it last longer "
                "(--seconds), or try fewer --packages");
}

OrderedDrill::~OrderedDrill()
{
    if (const auto ended = end(); !ended)
        std::fprintf(stderr, "aptward: %s\n", ended.error().message().c_str());
}

struct DrillClient::State {
    AptRoot root;
    bool has_updated = false;
};

DrillClient::DrillClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
DrillClient::DrillClient(DrillClient&& other) noexcept = default;
DrillClient::~DrillClient() = default;

Result<DrillClient> DrillClient::make(const DrillStock& stock)
{
    TRY(AptRoot root, AptRoot::make());
    const std::string folder = root.path().string();
    const std::string trust =
        stock.is_verified ? "signed-by=" + folder + "/etc/archive.gpg" : std::string("trusted=yes");
    std::string lines;
    for (const std::string& suite : stock.suites)
        lines += fmt::format("deb [arch={} {}] http://{}/{} {}\n", stock.architecture, trust,
                             stock.address, stock.archive, suite);
    TRY_VOID(write_file_durably(root.path() / "etc/sources.list", lines));
    TRY_VOID(write_file_durably(root.path() / "etc/archive.gpg", stock.keyring));
    TRY_VOID(write_file_durably(root.path() / "state/status", ""));
    // Nothing of the machine's configuration, which may name proxies, hooks and other sources.
    TRY_VOID(root.configure(
        fmt::format("Dir \"{0}\";\nDir::Etc \"{0}/etc\";\nDir::State \"{0}/state\";\n"
                    "Dir::State::status \"{0}/state/status\";\nDir::Cache \"{0}/cache\";\n"
                    "Dir::Bin::methods \"/usr/lib/apt/methods\";\nAPT::Architecture \"{1}\";\n"
                    "APT::Architectures {{ \"{1}\"; }};\nAPT::Sandbox::User \"\";\n"
                    "Acquire::Languages \"none\";\nAcquire::http::Proxy \"DIRECT\";\n",
                    folder, stock.architecture)));
    return DrillClient(std::make_unique<State>(State{std::move(root)}));
}

Result<ClientEnd> DrillClient::get(const std::vector<DrillPackage>& packages)
{
    ClientEnd end;
    end.wanted = packages.size();
    if (!state_->has_updated) {
        TRY(const AptRoot::End update,
            state_->root.run({"/usr/bin/apt-get", "update", "-q", "--error-on=any"}));
        state_->has_updated = update.status == 0;
        end.seconds += update.seconds;
        add_complaints(update.said, end.why);
    }
    end.has_updated = state_->has_updated;
    std::size_t at_once = kAtOnce;
    for (std::size_t at = 0; at < packages.size();) {
        const std::size_t next = std::min(at + at_once, packages.size());
        const std::vector<DrillPackage> some(packages.begin() + std::ptrdiff_t(at),
                                             packages.begin() + std::ptrdiff_t(next));
        TRY(const AptRoot::End download, state_->root.run(download_command(some)));
        end.seconds += download.seconds;
        // A version that the lists lack keeps the others from being fetched.
        if (download.said.find("was not found") != std::string::npos && at_once > 1) {
            at_once = 1;
            continue;
        }
        add_complaints(download.said, end.why);
        at = next;
    }
    for (const DrillPackage& package : packages)
        if (is_there(state_->root.path() / "downloads", package))
            ++end.got;
        else
            end.lacking.push_back(package);
    return end;
}

}  // namespace aptward::cli
