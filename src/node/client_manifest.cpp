// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/client_manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.h"

namespace aptward::node {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxBytes = 1 << 20;
constexpr int kVersion = 1;

std::filesystem::path manifest_file(const std::filesystem::path& root)
{
    return below(root, kClientFolder) / "manifest.json";
}

}  // namespace

std::filesystem::path below(const std::filesystem::path& root, const std::string& path)
{
    return root / std::filesystem::path(path).relative_path();
}

const ClientFile* ClientManifest::find(const std::string& path) const
{
    const auto found = std::find_if(files.begin(), files.end(),
                                    [&](const ClientFile& file) { return file.path == path; });
    return found == files.end() ? nullptr : &*found;
}

Result<std::string> to_json(const ClientManifest& manifest)
{
    Json files = Json::array(), rewritten = Json::array();
    for (const ClientFile& file : manifest.files)
        files.push_back({{"path", file.path},
                         {"original", file.original},
                         {"written", file.written_hex},
                         {"mode", file.mode},
                         {"user", file.user},
                         {"group", file.group}});
    for (const Rewritten& pair : manifest.rewritten)
        rewritten.push_back({{"from", pair.from}, {"to", pair.to}});
    const Json json = {{"version", kVersion},
                       {"nodes", manifest.nodes},
                       {"tunnels_https", manifest.tunnels_https},
                       {"peer_hosts", manifest.peer_hosts},
                       {"files", files},
                       {"rewritten", rewritten}};
    try {
        return json.dump(1) + "\n";
    } catch (const Json::exception&) {
        return fail(Errc::malformed, "a path or URI of apt's sources is not UTF-8");
    }
}

Result<ClientManifest> parse_client_manifest(std::string_view text)
{
    const auto damaged = [] { return fail(Errc::malformed, "it is damaged"); };
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object() || json.value("version", Json()) != kVersion)
        return damaged();
    try {
        ClientManifest manifest;
        manifest.nodes = json.at("nodes").get<std::vector<std::string>>();
        manifest.tunnels_https = json.at("tunnels_https").get<bool>();
        if (json.contains("peer_hosts"))  // which an older program did not write
            manifest.peer_hosts = json.at("peer_hosts").get<std::vector<std::string>>();
        for (const Json& entry : json.at("files")) {
            for (const char* key : {"mode", "user", "group"})
                if (!entry.at(key).is_number_unsigned() || entry.at(key) > UINT32_MAX)
                    return damaged();  // get() would make another number of it
            ClientFile kept;
            kept.path = entry.at("path").get<std::string>();
            kept.original = entry.at("original").get<std::string>();
            kept.written_hex = entry.at("written").get<std::string>();
            kept.mode = entry.at("mode").get<::mode_t>();
            kept.user = entry.at("user").get<::uid_t>();
            kept.group = entry.at("group").get<::gid_t>();
            manifest.files.push_back(std::move(kept));
        }
        for (const Json& entry : json.at("rewritten"))
            manifest.rewritten.push_back(
                {entry.at("from").get<std::string>(), entry.at("to").get<std::string>()});
        return manifest;
    } catch (const Json::exception&) {
        return damaged();
    }
}

Result<ClientManifest> read_client_manifest(const std::filesystem::path& root)
{
    const std::filesystem::path file = manifest_file(root);
    TRY(const std::string text, read_file(file, kMaxBytes));
    auto manifest = parse_client_manifest(text);
    if (!manifest)
        return tl::unexpected<Error>(std::move(manifest).error().within(file.string()));
    return manifest;
}

Result<void> write_client_manifest(const std::filesystem::path& root,
                                   const ClientManifest& manifest)
{
    TRY(const std::string json, to_json(manifest));
    return write_file_durably(manifest_file(root), json);
}

}  // namespace aptward::node
