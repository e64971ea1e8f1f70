// SPDX-License-Identifier: GPL-3.0-or-later
// What a bundle says of itself: the text of its note, and its manifest.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json_shape.h"
#include "base/text.h"
#include "bundle/bundle.h"
#include "bundle/tar_header.h"

namespace aptward::bundle {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kVersion = "aptward-bundle/v1";
constexpr std::string_view kAnyVersion = "aptward-bundle/";
constexpr std::string_view kBlobs = "blobs/sha256/";
constexpr std::string_view kReleases = "releases/";
constexpr std::size_t kDeepest = 4;  // of the manifest's JSON
constexpr std::size_t kHexDigits = 64;
constexpr std::size_t kMostText = 4096;
constexpr std::int64_t kLatest = (1LL << 33) - 1;  // what a header of tar can say

tl::unexpected<Error> refuse(const std::string& why)
{
    return fail(Errc::malformed, why);
}

// Lower case only: one name for one digest.
std::optional<Digest> parse_hex(std::string_view hex, std::uint64_t size_bytes)
{
    const auto digest = parse_digest(hex, size_bytes);
    return digest && digest->hex() == hex ? digest : std::nullopt;
}

bool is_release_id(std::string_view text)
{
    return text.size() == kHexDigits && parse_hex(text, 0).has_value();
}

// "ID/InRelease" and the two files of the detached form.
bool is_release_file(std::string_view name)
{
    if (name.size() <= kHexDigits || !is_release_id(name.substr(0, kHexDigits)))
        return false;
    const std::string_view file = name.substr(kHexDigits);
    return file == "/InRelease" || file == "/Release" || file == "/Release.gpg";
}

bool is_member_name(std::string_view name, const Digest& digest)
{
    if (name.substr(0, kBlobs.size()) == kBlobs)
        return name.substr(kBlobs.size()) == digest.hex();
    return name.substr(0, kReleases.size()) == kReleases &&
           is_release_file(name.substr(kReleases.size()));
}

// What stands in a bundle and is shown to people, or compared with names of this node.
bool is_short_text(const std::string& text)
{
    return text.size() <= kMostText && std::none_of(text.begin(), text.end(), [](char c) {
               return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
           });
}

Json to_json(const Member& member)
{
    Json json = {
        {"name", member.name}, {"sha256", member.digest.hex()}, {"size", member.digest.size_bytes}};
    if (member.sha512)
        json["sha512"] = member.sha512->hex();
    if (!member.path.empty())
        json["path"] = member.path;
    if (!member.archives.empty())
        json["archives"] = member.archives;
    return json;
}

// Throws the library's exception for values of other types, as everything below does.
Result<void> take_texts(const Json& json, std::vector<std::string>& texts)
{
    for (const Json& text : json) {
        texts.push_back(text.get_ref<const std::string&>());
        if (!is_short_text(texts.back()))
            return refuse("its manifest has a text that is none");
    }
    return {};
}

Result<Member> member_of(const Json& json)
{
    Member member;
    member.name = json.at("name").get_ref<const std::string&>();
    member.path = json.value("path", "");
    const auto size = json.at("size").get_ref<const Json::number_unsigned_t&>();
    const auto digest = parse_hex(json.at("sha256").get_ref<const std::string&>(), size);
    if (!digest || digest->algorithm != HashAlgorithm::sha256 || size > kLargestMember)
        return refuse("its manifest has a member of an impossible size or hash");
    member.digest = *digest;
    if (json.contains("sha512")) {
        member.sha512 = parse_hex(json["sha512"].get_ref<const std::string&>(), size);
        if (!member.sha512 || member.sha512->algorithm != HashAlgorithm::sha512)
            return refuse("its manifest has a member of an impossible hash");
    }
    if (json.contains("archives"))
        TRY_VOID(take_texts(json["archives"], member.archives));
    if (!is_member_name(member.name, member.digest) || !is_short_text(member.path))
        return refuse("its manifest has a member that no bundle has: " + printable(member.name));
    return member;
}

Result<BundledRelease> release_of(const Json& json)
{
    BundledRelease release;
    release.archive = json.at("archive").get_ref<const std::string&>();
    release.suite = json.at("suite").get_ref<const std::string&>();
    release.id = json.at("id").get_ref<const std::string&>();
    const auto date = json.at("date").get_ref<const Json::number_unsigned_t&>();
    release.date = from_unix(static_cast<std::int64_t>(std::min<std::uint64_t>(date, kLatest)));
    if (date > kLatest || !is_release_id(release.id) || !is_short_text(release.archive) ||
        !is_short_text(release.suite) || release.archive.empty())
        return refuse("its manifest has a release that no bundle has");
    return release;
}

Result<Manifest> manifest_of(const Json& json)
{
    Manifest manifest;
    if (json.at("members").size() > kMostMembers)
        return refuse(fmt::format("it has more than {} members", kMostMembers));
    TRY_VOID(take_texts(json.at("packages"), manifest.packages));
    TRY_VOID(take_texts(json.at("missing"), manifest.missing));
    for (const Json& entry : json.at("releases")) {
        TRY(BundledRelease release, release_of(entry));
        manifest.releases.push_back(std::move(release));
    }
    for (const Json& entry : json.at("members")) {
        TRY(Member member, member_of(entry));
        if (!manifest.members.empty() && manifest.members.back().name >= member.name)
            return refuse("its manifest has members that are not in their order");
        manifest.members.push_back(std::move(member));
    }
    return manifest;
}

// Every release has its files, and every file its release.
Result<void> check_releases(const Manifest& manifest)
{
    std::set<std::string_view> ids;
    for (const BundledRelease& release : manifest.releases) {
        ids.insert(release.id);
        if (manifest.find(release_name(release.id, "InRelease")) == nullptr &&
            manifest.find(release_name(release.id, "Release")) == nullptr)
            return refuse("its manifest has a release without files");
    }
    if (ids.empty())
        return refuse("its manifest has no release");
    for (const Member& member : manifest.members) {
        const std::string_view name = member.name;
        if (name.substr(0, kReleases.size()) == kReleases &&
            ids.count(name.substr(kReleases.size(), kHexDigits)) == 0)
            return refuse("its manifest has files of a release that it does not name");
    }
    return {};
}

/// Cuts "KEY VALUE\n" off the front of `text`; nothing for another line.
std::optional<std::string> take_line(std::string_view& text, std::string_view key)
{
    const std::size_t end = text.find('\n');
    if (end == text.npos || text.substr(0, key.size()) != key || end <= key.size() ||
        text[key.size()] != ' ')
        return std::nullopt;
    std::string value(text.substr(key.size() + 1, end - key.size() - 1));
    text.remove_prefix(end + 1);
    return value;
}

// "sha256:HEX BYTES"
std::optional<Digest> parse_named_digest(std::string_view text)
{
    constexpr std::string_view kAlgorithm = "sha256:";
    const std::size_t blank = text.find(' ');
    if (text.substr(0, kAlgorithm.size()) != kAlgorithm || blank == text.npos)
        return std::nullopt;
    const auto size = parse_number(text.substr(blank + 1));
    const auto hex = text.substr(kAlgorithm.size(), blank - kAlgorithm.size());
    return size && hex.size() == kHexDigits ? parse_hex(hex, *size) : std::nullopt;
}

}  // namespace

std::string blob_name(const Digest& sha256)
{
    return std::string(kBlobs) + sha256.hex();
}

std::string release_name(const std::string& id, std::string_view file)
{
    return fmt::format("{}{}/{}", kReleases, id, file);
}

bool Member::is_for(std::string_view archive) const
{
    return archives.empty() ||
           std::find(archives.begin(), archives.end(), archive) != archives.end();
}

std::uint64_t Manifest::total_bytes() const
{
    std::uint64_t total = 0;
    for (const Member& member : members)
        total += member.digest.size_bytes;
    return total;
}

const Member* Manifest::find(std::string_view name) const
{
    const auto found = std::lower_bound(
        members.begin(), members.end(), name,
        [](const Member& member, std::string_view wanted) { return member.name < wanted; });
    return found != members.end() && found->name == name ? &*found : nullptr;
}

std::string to_json(const Manifest& manifest)
{
    Json releases = Json::array(), members = Json::array();
    for (const BundledRelease& release : manifest.releases)
        releases.push_back({{"archive", release.archive},
                            {"suite", release.suite},
                            {"id", release.id},
                            {"date", to_unix(release.date)}});
    for (const Member& member : manifest.members)
        members.push_back(to_json(member));
    const Json json = {{"packages", manifest.packages},
                       {"releases", std::move(releases)},
                       {"missing", manifest.missing},
                       {"members", std::move(members)}};
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Manifest> parse_manifest(std::string_view json)
{
    if (json.size() > kMaxManifestBytes)
        return refuse(fmt::format("its manifest is larger than {}", human_size(kMaxManifestBytes)));
    if (!is_modest_json(json, kDeepest, 10 * kMostMembers))
        return refuse(fmt::format("its manifest is no list of at most {} members", kMostMembers));
    const Json parsed = Json::parse(json, nullptr, false);
    if (!parsed.is_object())
        return refuse("its manifest is no JSON object");
    try {
        TRY(Manifest manifest, manifest_of(parsed));
        TRY_VOID(check_releases(manifest));
        return manifest;
    } catch (const Json::exception&) {
        return refuse("its manifest is damaged");
    }
}

std::string to_text(const Heading& heading)
{
    return fmt::format("{}\ncreated {}\nmanifest sha256:{} {}\npurpose {}\nsigner {}\n", kVersion,
                       to_unix(heading.created), heading.manifest.hex(),
                       heading.manifest.size_bytes, heading.purpose, heading.signer);
}

Result<Heading> parse_heading(std::string_view text)
{
    const std::string_view whole = text, version = text.substr(0, text.find('\n'));
    if (version.substr(0, kAnyVersion.size()) != kAnyVersion)
        return refuse("its note is not that of a bundle");
    if (version != kVersion)
        return refuse("it is a bundle of another version (" + printable(version) +
                      "): read it with the aptward that made it, or a newer one");
    text.remove_prefix(std::min(text.size(), version.size() + 1));
    const auto created = take_line(text, "created");
    const auto manifest = take_line(text, "manifest");
    const auto purpose = take_line(text, "purpose");
    const auto signer = take_line(text, "signer");
    const auto seconds = created ? parse_number<std::int64_t>(*created) : std::nullopt;
    const auto digest = manifest ? parse_named_digest(*manifest) : std::nullopt;
    if (!seconds || *seconds > kLatest || !digest || !purpose || !signer || !text.empty())
        return refuse("its note is damaged");
    if (digest->size_bytes > kMaxManifestBytes)
        return refuse(fmt::format("its manifest is larger than {}", human_size(kMaxManifestBytes)));
    Heading heading{from_unix(*seconds), *digest, *purpose, *signer};
    if (to_text(heading) != whole)
        return refuse("its note is damaged");  // numbers with zeros in front
    return heading;
}

Result<void> check_time(const Heading& heading, SystemTime now)
{
    if (heading.created > now + kMaxAhead)
        return fail(Errc::stale,
                    fmt::format("it is from the future: it was made on {}; set the clock of this "
                                "machine or of that which made it right",
                                deb::format_release_date(heading.created)));
    return {};
}

}  // namespace aptward::bundle
