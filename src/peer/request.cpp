// SPDX-License-Identifier: GPL-3.0-or-later
#include "peer/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "archive/neighbours.h"
#include "base/lines.h"
#include "base/text.h"
#include "deb/deb.h"
#include "http/message.h"
#include "swarm/metainfo.h"

namespace aptward::peer {
namespace {

constexpr std::string_view kVersion = "v1/";
constexpr std::string_view kNonce = "nonce=";
constexpr std::string_view kWait = "wait=";
constexpr std::string_view kAfter = "after=";
constexpr std::string_view kTorrent = ".torrent";
constexpr std::size_t kNonceDigits = 32, kIdDigits = 64;

constexpr std::array<std::pair<AskedFile::Kind, std::string_view>, 2> kKinds{
    {{AskedFile::Kind::index, "index"}, {AskedFile::Kind::pool, "pool"}}};

bool is_hex(std::string_view text, std::size_t digits)
{
    return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

// "NAME=VALUE" and nothing else.
std::optional<std::string_view> only_value(std::string_view query, std::string_view name)
{
    return query.starts_with(name) ? std::optional(query.substr(name.size())) : std::nullopt;
}

// Upper-case digits would be a second name for the same bytes.
std::optional<Digest> read_digest(std::string_view algorithm, std::string_view hex,
                                  std::string_view size)
{
    const auto bytes = parse_number(size);
    const auto digest = bytes ? parse_digest(hex, *bytes) : std::nullopt;
    const bool is_right = digest && digest->hex() == hex && std::to_string(*bytes) == size &&
                          to_lower(to_string(digest->algorithm)) == algorithm;
    return is_right ? digest : std::nullopt;
}

Result<Asked> parse_file(AskedFile::Kind kind, std::string_view path)
{
    const std::string_view algorithm = take_part(path, '/');
    const std::string_view hex = take_part(path, '/');
    const std::string_view size = take_part(path, '/');
    const auto digest = read_digest(algorithm, hex, size);
    if (!digest)
        return fail(Errc::malformed, "a file is asked for as sha256/HEX/SIZE/PATH");
    const auto clean = deb::clean_relative_path(path);
    if (path.empty() || clean != path)
        return fail(Errc::malformed, "the path of a file is relative and clean");
    return AskedFile{kind, *digest, std::string(path)};
}

Result<Asked> parse_heads(std::string_view query)
{
    const auto text = only_value(query, kWait);
    const auto seconds = text ? parse_number<unsigned>(*text) : std::nullopt;
    if (!seconds || std::chrono::seconds(*seconds) > kLongestWait ||
        std::to_string(*seconds) != *text)
        return fail(Errc::malformed, "heads is asked with wait= and at most 25 seconds");
    return AskedHeads{std::chrono::seconds(*seconds)};
}

Result<Asked> parse_have(std::string_view query)
{
    const auto text = only_value(query, kAfter);
    const auto after = text ? parse_number(*text) : std::nullopt;
    if (!after || std::to_string(*after) != *text)
        return fail(Errc::malformed, "have is asked with after= and a number");
    return AskedHave{*after};
}

Result<Asked> parse_release(std::string_view path)
{
    const std::string_view id = take_part(path, '/');
    const bool is_name = path == "InRelease" || path == "Release" || path == "Release.gpg";
    if (!is_hex(id, kIdDigits) || !is_name)
        return fail(Errc::malformed,
                    "a release is asked for as ID/InRelease, Release, Release.gpg");
    return AskedRelease{std::string(id), std::string(path)};
}

// "HASH.torrent", "HASH/HEX" or "HASH/aptward/HEX"
Result<Asked> parse_swarm(std::string_view path)
{
    const std::string_view digits = path.substr(0, kIdDigits);
    if (is_hex(digits, kIdDigits) && path.substr(kIdDigits) == kTorrent)
        return AskedTorrent{std::string(digits)};
    const std::string_view name = take_part(path, '/');
    std::string_view file = path;
    if (const std::string_view folder = take_part(file, '/'); folder != swarm::kTorrentFolder)
        file = path;
    if (!is_hex(name, kIdDigits) || !is_hex(file, kIdDigits))
        return fail(Errc::malformed,
                    "of a torrent HASH.torrent, HASH/HEX or HASH/aptward/HEX is asked for");
    return AskedShare{std::string(name), std::string(path)};
}

}  // namespace

Result<Asked> parse_request(std::string_view path, std::string_view query)
{
    if (!path.starts_with(archive::kNeighbourPaths))
        return fail(Errc::malformed, "it is none of the paths of nodes");
    path.remove_prefix(archive::kNeighbourPaths.size());
    if (!path.starts_with(kVersion))
        return fail(Errc::stale, "this node speaks version 1 of the protocol");
    path.remove_prefix(kVersion.size());
    if (path == "node") {
        const auto nonce = only_value(query, kNonce);
        if (!nonce || !is_hex(*nonce, kNonceDigits))
            return fail(Errc::malformed, "node is asked with nonce= and 32 hexadecimal digits");
        return AskedNode{std::string(*nonce)};
    }
    if (path == "heads")
        return parse_heads(query);
    if (path == "have")
        return parse_have(query);
    if (!query.empty())
        return fail(Errc::malformed, "a file is asked for without a query");
    const std::string_view name = take_part(path, '/');
    if (name == "release")
        return parse_release(path);
    if (name == "swarm")
        return parse_swarm(path);
    for (const auto& [kind, word] : kKinds)
        if (name == word)
            return parse_file(kind, path);
    return fail(Errc::malformed,
                "what can be asked for is node, heads, have, release, index, pool and swarm");
}

std::string path_of(const AskedNode& asked)
{
    return fmt::format("{}{}node?{}{}", archive::kNeighbourPaths.substr(1), kVersion, kNonce,
                       asked.nonce);
}

std::string path_of(const AskedHeads& asked)
{
    return fmt::format("{}{}heads?{}{}", archive::kNeighbourPaths.substr(1), kVersion, kWait,
                       asked.wait.count());
}

std::string path_of(const AskedHave& asked)
{
    return fmt::format("{}{}have?{}{}", archive::kNeighbourPaths.substr(1), kVersion, kAfter,
                       asked.after);
}

std::string path_of(const AskedTorrent& asked)
{
    return fmt::format("{}{}swarm/{}{}", archive::kNeighbourPaths.substr(1), kVersion,
                       asked.info_hash, kTorrent);
}

std::string path_of(const AskedShare& asked)
{
    return fmt::format("{}{}swarm/{}/{}", archive::kNeighbourPaths.substr(1), kVersion,
                       asked.info_hash, asked.path);
}

std::string path_of(const AskedRelease& asked)
{
    return fmt::format("{}{}release/{}/{}", archive::kNeighbourPaths.substr(1), kVersion, asked.id,
                       asked.name);
}

std::string path_of(const AskedFile& asked)
{
    const auto kind = std::find_if(kKinds.begin(), kKinds.end(),
                                   [&](const auto& one) { return one.first == asked.kind; });
    return fmt::format("{}{}{}/{}/{}/{}/{}", archive::kNeighbourPaths.substr(1), kVersion,
                       kind->second, to_lower(to_string(asked.digest.algorithm)),
                       asked.digest.hex(), asked.digest.size_bytes, http::encode_path(asked.path));
}

}  // namespace aptward::peer
