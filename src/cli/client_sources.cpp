// SPDX-License-Identifier: GPL-3.0-or-later
// `aptward client setup --rewrite-https`: https and mirror+file sources become plain http.
//
// https passes a proxy as a tunnel, which can be neither verified nor kept, and mirror+file picks
// https mirrors by itself. Written as http://HOST/PATH a source passes through the node, which
// fetches it as it likes (https too), and still works without any node where the host also speaks
// http or redirects to https. http://HTTPS///HOST/PATH would need a node for ever: apt could not
// go DIRECT. Only what the node answers for is rewritten, and never what needs a password.
#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "cli/client_parts.h"
#include "cli/commands.h"
#include "deb/sources_text.h"

namespace aptward::cli {
namespace {

constexpr std::string_view kHttps = "https://", kHttp = "http://", kMirrorFile = "mirror+file:";

bool starts_with(std::string_view text, std::string_view prefix)
{
    return text.substr(0, prefix.size()) == prefix;
}

// What a source's URI could become, best first; empty when it can stay as it is.
std::vector<std::string> candidates(const std::filesystem::path& root, const std::string& uri)
{
    const auto plain = [](std::string_view text) {
        text.remove_prefix(starts_with(text, kHttps) ? kHttps.size() : kHttp.size());
        return std::string(kHttp) + std::string(text);
    };
    std::vector<std::string> found;
    if (starts_with(uri, kHttps))
        found.push_back(plain(uri));
    if (!starts_with(uri, kMirrorFile))
        return found;
    const std::string text =
        read_file(node::below(root, uri.substr(kMirrorFile.size())), kMaxSourceBytes).value_or("");
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        const auto fields = words(std::string_view(text).substr(start, end - start));
        if (!fields.empty() && (starts_with(fields[0], kHttp) || starts_with(fields[0], kHttps)))
            found.push_back(plain(fields[0]));
        start = end + 1;
    }
    return found;
}

// The replacement of one URI, or itself with the reason in `why`.
std::string replacement(const std::filesystem::path& root, const std::string& node,
                        const deb::UriPlace& place, const std::vector<std::string>& with_passwords,
                        std::string& why)
{
    for (const std::string& candidate : candidates(root, place.uri)) {
        const std::string rest = candidate.substr(kHttp.size());
        const std::string host = rest.substr(0, rest.find_first_of("/:"));
        if (rest.find('@') < rest.find('/') ||
            std::find(with_passwords.begin(), with_passwords.end(), host) != with_passwords.end())
            why = "it needs a password, which must not travel over http";
        else if (rest.substr(0, rest.find('/')).find(':') != std::string::npos)
            why = "it names a port, where no http can be expected";
        else if (candidate.find("$(ARCH)") != std::string::npos)
            why = "its URI holds $(ARCH)";
        else if (!std::all_of(
                     place.suites.begin(), place.suites.end(),
                     [&](const std::string& suite) { return is_served(node, candidate, suite); }))
            why = "the node " + node + " does not serve it: add an [[archive]] for it there";
        else
            return candidate;
    }
    return place.uri;
}

}  // namespace

std::vector<std::string> source_files(const std::filesystem::path& root)
{
    std::vector<std::string> files;
    const std::string folder = "/etc/apt/sources.list.d";
    std::error_code error;
    std::filesystem::directory_iterator entries(node::below(root, folder), error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
        const std::string extension = entries->path().extension().string();
        if (extension == ".list" || extension == ".sources")
            files.push_back(folder + "/" + entries->path().filename().string());
    }
    files.emplace_back("/etc/apt/sources.list");
    std::sort(files.begin(), files.end());
    return files;
}

std::string host_of_authority(std::string_view authority)
{
    authority.remove_prefix(std::min(authority.rfind('@') + 1, authority.size()));
    const std::size_t bracket = authority.find(']');
    const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
    return to_lower(authority.substr(0, colon));
}

std::vector<std::string> hosts_with_passwords(const std::filesystem::path& root)
{
    std::vector<std::filesystem::path> files = {node::below(root, "/etc/apt/auth.conf")};
    std::error_code error;
    std::filesystem::directory_iterator entries(node::below(root, "/etc/apt/auth.conf.d"), error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error))
        files.push_back(entries->path());
    std::vector<std::string> hosts;
    for (const std::filesystem::path& file : files) {
        const std::string text = read_file(file, kMaxSourceBytes).value_or("");
        const auto fields = words(text);
        for (std::size_t i = 0; i + 1 < fields.size(); ++i)
            if (fields[i] == "machine") {
                std::string_view machine = fields[i + 1];
                machine.remove_prefix(
                    machine.find("://") == std::string_view::npos ? 0 : machine.find("://") + 3);
                hosts.push_back(host_of_authority(machine.substr(0, machine.find('/'))));
            }
    }
    return hosts;
}

bool is_served(const std::string& node, const std::string& uri, const std::string& suite)
{
    const std::string base = uri + (uri.back() == '/' ? "" : "/");
    const bool is_flat = !suite.empty() && suite.back() == '/';
    const std::string folder =
        is_flat ? base + (suite == "/" ? "" : suite) : base + "dists/" + suite + "/";
    for (const char* name : {"InRelease", "Release"}) {
        const auto answer = ask_admin(node.substr(kHttp.size()), "HEAD", folder + name);
        if (answer && answer->status == 200)
            return true;
    }
    return false;
}

Result<std::vector<PlannedFile>> plan_sources(const std::filesystem::path& root,
                                              const std::string& node,
                                              std::vector<node::Rewritten>& rewritten,
                                              std::vector<std::string>& notes)
{
    std::vector<PlannedFile> planned;
    const std::vector<std::string> with_passwords = hosts_with_passwords(root);
    for (const std::string& file : source_files(root)) {
        const auto text = read_file(node::below(root, file), kMaxSourceBytes);
        if (!text && text.error().code() == Errc::not_found)
            continue;
        if (!text)
            return tl::unexpected<Error>(text.error());
        const auto format =
            file.ends_with(".sources") ? deb::SourcesFormat::deb822 : deb::SourcesFormat::one_line;
        const auto places = deb::find_source_uris(*text, format);
        std::vector<std::string> to;
        for (const deb::UriPlace& place : places) {
            std::string why;
            to.push_back(replacement(root, node, place, with_passwords, why));
            if (to.back() != place.uri)
                rewritten.push_back({place.uri, to.back()});
            else if (!why.empty())
                notes.push_back(
                    fmt::format("{}:{}: {} stays: {}", file, place.line, place.uri, why));
            else if (starts_with(place.uri, "mirror"))
                notes.push_back(
                    fmt::format("{}:{}: {} stays: its list names no http or https "
                                "mirror",
                                file, place.line, place.uri));
        }
        std::string after = deb::replace_uris(*text, places, to);
        if (after != *text)
            planned.push_back({file, std::move(after), 0});
    }
    return planned;
}

}  // namespace aptward::cli
