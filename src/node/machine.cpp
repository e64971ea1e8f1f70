// SPDX-License-Identifier: GPL-3.0-or-later
// Zero configuration: the machine's own apt sources become archives (archive-reality 17 to 21).
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/file.h"
#include "base/text.h"
#include "deb/deb.h"
#include "node/client_manifest.h"
#include "node/config.h"
#include "node/mirror_list.h"
#include "node/own_names.h"

namespace aptward::node {
namespace {

using archive::ArchiveSettings;

constexpr std::uint64_t kMaxListBytes = 1 << 20;
constexpr std::string_view kMirrorFile = "mirror+file:";

bool starts_with(std::string_view text, std::string_view prefix)
{
    return text.substr(0, prefix.size()) == prefix;
}

std::string without_slash(std::string uri)
{
    while (!uri.empty() && uri.back() == '/')
        uri.pop_back();
    return uri;
}

// "http://deb.debian.org/debian" -> "debian"; a path that says nothing gets the host in front.
std::string id_of(const std::string& uri, const std::map<std::string, std::size_t>& taken)
{
    const archive::Prefix prefix = archive::read_prefix(uri, 0);
    const std::string last = prefix.path.substr(prefix.path.rfind('/') + 1);
    const bool is_telling = starts_with(last, "debian") || starts_with(last, "ubuntu");
    std::string id = is_telling ? last : prefix.host + (last.empty() ? "" : "-" + last);
    id = to_lower(id);
    for (char& c : id)
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
            c = '-';
    std::string unique = id;
    for (int number = 2; taken.count(unique) > 0; ++number)
        unique = fmt::format("{}-{}", id, number);
    return unique;
}

// Signed-By as apt reads it: an inline key block, paths, fingerprints, or nothing.
Result<void> add_keys(const deb::AptSource& source, ArchiveSettings& settings,
                      const std::string& root)
{
    if (source.signed_by.find("BEGIN PGP PUBLIC KEY BLOCK") != std::string::npos) {
        TRY(settings.keyring, crypto::parse_keyring(source.signed_by));
        return {};
    }
    std::string text = source.signed_by;
    std::replace(text.begin(), text.end(), ',', ' ');
    for (const std::string_view word : words(text)) {
        if (word.front() == '/')
            settings.keyrings.emplace_back(word);
        else
            settings.signed_by.emplace_back(word);
    }
    settings.pins_first_signer = settings.keyrings.empty() && settings.signed_by.empty();
    std::vector<std::string> files = settings.keyrings;
    if (files.empty())
        files = deb::default_apt_keyrings(root);
    std::vector<crypto::Keyring> parts;
    for (const std::string& file : files) {
        auto keyring = crypto::load_keyrings({file});
        if (keyring)
            parts.push_back(std::move(*keyring));
        else if (!settings.keyrings.empty())
            return tl::unexpected<Error>(keyring.error());
    }
    settings.keyrings = files;
    settings.keyring = crypto::merge_keyrings(parts);
    if (settings.keyring.keys.empty())
        return fail(Errc::not_found, "no keyring holds a key for it");
    return {};
}

// A source as the vendor's archive, whatever this machine did to reach it through a node.
struct Origin {
    deb::AptSource source;          ///< With the URI it had before `aptward client setup`.
    std::vector<std::string> urls;  ///< What it names: itself, or the mirrors of its list.
    bool was_rewritten = false;
};

std::vector<std::string> mirrors_of(const std::string& path, const std::string& root)
{
    std::vector<std::string> urls;
    for (std::string& url :
         read_mirror_list(read_file(below(root, path), kMaxListBytes).value_or("")))
        if (starts_with(url, "http"))
            urls.push_back(without_slash(std::move(url)));
    return urls;
}

// Sources that name this node or were rewritten for one are followed back to what they meant.
Origin find_origin(const deb::AptSource& source, const Config& config,
                   const ClientManifest& manifest, const std::string& root)
{
    Origin origin{source, {}, false};
    std::string& uri = origin.source.uri;
    for (const Rewritten& pair : manifest.rewritten) {
        if (origin.was_rewritten || without_slash(pair.to) != uri)
            continue;
        uri = without_slash(pair.from);
        origin.was_rewritten = true;
    }
    // http://THIS-NODE/HTTPS///host/path says itself what it means.
    const std::size_t path = uri.find('/', std::min(uri.find("://") + 3, uri.size()));
    if (path != std::string::npos && starts_with(std::string_view(uri).substr(path), "/HTTPS/") &&
        is_own_authority(authority_of(uri), config.listen)) {
        const std::size_t host = uri.find_first_not_of('/', path + 7);
        uri = "https://" + uri.substr(std::min(host, uri.size()));
        origin.was_rewritten = true;
    }
    if (starts_with(uri, kMirrorFile))
        origin.urls = mirrors_of(uri.substr(kMirrorFile.size()), root);
    else
        origin.urls = {uri};
    return origin;
}

// With a password apt may have got from there what others must not have, also where the lists are
// open to everybody.
bool is_shared(const std::string& url, const Config& config)
{
    if (config.profile != Profile::light)
        return true;
    const std::string host = authority_of(url);
    const auto& shared = config.shared_hosts;
    const bool has_user = url.substr(0, url.find('/', url.find("://") + 3)).find('@') != url.npos;
    return !has_user && std::any_of(shared.begin(), shared.end(), [&](const std::string& one) {
        return authority_of("http://" + one) == host || authority_of("https://" + one) == host;
    });
}

// Why a source cannot be served; empty when it can.
std::string obstacle(const Origin& origin, const Config& config)
{
    if (origin.urls.empty())
        return "its list names no http or https mirror";
    for (const std::string& url : origin.urls) {
        if (!starts_with(url, "http://") && !starts_with(url, "https://"))
            return "only http and https can pass through a node";
        if (url.find("$(ARCH)") != std::string::npos)
            return "its URI holds $(ARCH): write an [[archive]] for it";
        if (!is_shared(url, config))
            return "shared-hosts does not name its host: aptward client setup --peer names those "
                   "that need no password";
        if (is_own_authority(authority_of(url), config.listen))
            return "it names this node itself: write an [[archive]] with the vendor's URL under "
                   "upstreams";
    }
    if (origin.source.trusted)
        return "it is marked trusted=yes, which asks for no proof: write an [[archive]] with "
               "verify = \"unverified\" if you mean that";
    return "";
}

archive::KnownSuite known_suite(const deb::AptSource& source)
{
    archive::KnownSuite known;
    known.suite = source.suite;
    if (!known.suite.empty() && known.suite.back() == '/' && starts_with(known.suite, "./"))
        known.suite = known.suite.size() == 2 ? "/" : known.suite.substr(2);
    known.components = source.components;
    if (source.binary)
        known.architectures = source.architectures;
    known.has_sources = source.source;
    return known;
}

}  // namespace

void add_machine_archives(Config& config, std::vector<Mistake>& mistakes, const std::string& root)
{
    auto sources = deb::read_apt_sources(root);
    if (!sources) {
        mistakes.push_back({"apt sources", sources.error().message()});
        return;
    }
    const ClientManifest manifest = read_client_manifest(root).value_or(ClientManifest());
    std::map<std::string, std::size_t> by_key, ids;
    for (const deb::AptSource& written : *sources) {
        const Origin origin = find_origin(written, config, manifest, root);
        const deb::AptSource& source = origin.source;
        const std::string name = source.uri + " " + source.suite;
        const std::string why = obstacle(origin, config);
        if (!why.empty()) {
            config.notes.push_back(name + " is not served: " + why);
            continue;
        }
        const std::string key = source.uri + " " + source.signed_by;
        if (by_key.count(key) == 0) {
            ArchiveSettings settings;
            settings.id = id_of(origin.urls.front(), ids);
            settings.has_made_up_id = true;
            if (auto keyed = add_keys(source, settings, root); !keyed) {
                config.notes.push_back(name + " is not served: " + keyed.error().message());
                continue;
            }
            for (const std::string& url : origin.urls) {
                fetch::SourceSettings upstream;
                upstream.url = url;
                upstream.proxy = config.proxy;
                settings.upstreams.push_back(upstream);
                settings.hosts.push_back(url);
            }
            by_key[key] = config.archives.size();
            ids[settings.id] = config.archives.size();
            config.archives.push_back(std::move(settings));
        }
        config.archives[by_key[key]].known_suites.push_back(known_suite(source));
        const bool has_https =
            std::any_of(origin.urls.begin(), origin.urls.end(),
                        [](const std::string& url) { return starts_with(url, "https://"); });
        if (has_https && !origin.was_rewritten)
            config.notes.push_back(name +
                                   " is https: apt goes past this node unless the source is "
                                   "rewritten: aptward client setup --rewrite-https");
    }
    if (config.archives.empty())
        mistakes.push_back({"apt sources", "none of this machine's apt sources can be served: " +
                                               fmt::format("{}", fmt::join(config.notes, "; "))});
}

}  // namespace aptward::node
