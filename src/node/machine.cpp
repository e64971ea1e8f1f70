// SPDX-License-Identifier: GPL-3.0-or-later
// Zero configuration: the machine's own apt sources become archives (archive-reality 17 to 21).
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "deb/deb.h"
#include "node/config.h"

namespace aptward::node {
namespace {

using archive::ArchiveSettings;

bool starts_with(std::string_view text, std::string_view prefix)
{
    return text.substr(0, prefix.size()) == prefix;
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

// Why a source cannot be served; empty when it can.
std::string obstacle(const deb::AptSource& source, const Config& config)
{
    if (!starts_with(source.uri, "http://") && !starts_with(source.uri, "https://"))
        return "only http and https can pass through a node";
    if (source.uri.find("$(ARCH)") != std::string::npos)
        return "its URI holds $(ARCH): write an [[archive]] for it";
    if (source.trusted)
        return "it is marked trusted=yes, which asks for no proof: write an [[archive]] with "
               "verify = \"unverified\" if you mean that";
    const archive::Prefix prefix = archive::read_prefix(source.uri, 0);
    if (std::find(config.listen.begin(), config.listen.end(), prefix.host) != config.listen.end())
        return "it names this node itself";
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
    std::map<std::string, std::size_t> by_key, ids;
    for (const deb::AptSource& source : *sources) {
        const std::string name = source.uri + " " + source.suite;
        const std::string why = obstacle(source, config);
        if (!why.empty()) {
            config.notes.push_back(name + " is not served: " + why);
            continue;
        }
        const std::string key = source.uri + " " + source.signed_by;
        if (by_key.count(key) == 0) {
            ArchiveSettings settings;
            settings.id = id_of(source.uri, ids);
            if (auto keyed = add_keys(source, settings, root); !keyed) {
                config.notes.push_back(name + " is not served: " + keyed.error().message());
                continue;
            }
            fetch::SourceSettings upstream;
            upstream.url = source.uri;
            upstream.proxy = config.proxy;
            settings.upstreams.push_back(upstream);
            settings.hosts.push_back(source.uri);
            by_key[key] = config.archives.size();
            ids[settings.id] = config.archives.size();
            config.archives.push_back(std::move(settings));
        }
        config.archives[by_key[key]].known_suites.push_back(known_suite(source));
        if (starts_with(source.uri, "https://"))
            config.notes.push_back(name +
                                   " is https: apt tunnels it past this node unless its "
                                   "source is written as http://HTTPS///" +
                                   source.uri.substr(8));
    }
    if (config.archives.empty())
        mistakes.push_back({"apt sources", "none of this machine's apt sources can be served: " +
                                               fmt::format("{}", fmt::join(config.notes, "; "))});
}

}  // namespace aptward::node
