// SPDX-License-Identifier: GPL-3.0-or-later
// What apt-cacher-ng's rules mean for a node, and the configuration that says so.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "node/acng_rules.h"

namespace aptward::node {
namespace {

constexpr std::size_t kMostShown = 20;  // hosts of a stanza that is commented out
constexpr std::size_t kMostGuessed = 3;
constexpr std::string_view kLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/%+,=[]";

bool starts_with(std::string_view text, std::string_view prefix)
{
    return text.substr(0, prefix.size()) == prefix;
}

// "http://host/path/" and "host/path" -> "host/path"; empty for what no URL may hold.
std::string place_of(std::string_view url)
{
    if (starts_with(url, "http://"))
        url.remove_prefix(7);
    else if (starts_with(url, "https://"))
        url.remove_prefix(8);
    while (!url.empty() && url.back() == '/')
        url.remove_suffix(1);
    if (url.empty() || url.front() == '/' ||
        url.find_first_not_of(kLetters) != std::string_view::npos)
        return "";
    return std::string(url);
}

std::string id_of(std::string_view name)
{
    std::string id = to_lower(name.substr(0, 60));
    for (char& c : id)
        if (std::string_view("abcdefghijklmnopqrstuvwxyz0123456789-_.").find(c) ==
            std::string_view::npos)
            c = '-';
    return id.empty() || id.front() == '.' ? "archive" + id : id;
}

std::string vendor_of(const std::string& place)
{
    const std::string last = place.substr(place.rfind('/') + 1);
    if (last == "debian" || last == "debian-security" || last == "security.debian.org")
        return "debian";
    return last == "ubuntu" ? "ubuntu" : "";
}

void add_once(std::vector<std::string>& list, const std::string& word)
{
    if (std::find(list.begin(), list.end(), word) == list.end())
        list.push_back(word);
}

// Addresses with a password in them are not repeated.
std::string shown(std::string_view text)
{
    return text.find('@') == std::string_view::npos ? printable(text)
                                                    : "(an address with a password)";
}

class Translator {
public:
    Translator(const AcngRules& rules, const ReadAcngList& read_list,
               const FindKeyrings& find_keyrings)
        : rules_(rules), read_list_(read_list), find_keyrings_(find_keyrings)
    {
    }

    AcngTranslation translate()
    {
        for (const AcngRemap& remap : rules_.remaps)
            add_archive(remap);
        for (const std::string& pattern : rules_.pass_through)
            add_pattern(pattern);
        set_listen();
        const std::string proxy = place_of(rules_.proxy);
        if (!proxy.empty())
            done_.proxy = "http://" + proxy;
        else if (!rules_.proxy.empty())
            skip("Proxy: " + rules_.proxy, "it is no http:// address");
        for (const std::string& line : rules_.unused)
            skip(line, "a node has no such setting, or needs none");
        return std::move(done_);
    }

private:
    void skip(std::string_view rule, std::string_view why)
    {
        done_.untranslated.push_back(fmt::format("{}: {}", shown(rule), why));
    }

    std::vector<std::string> expand(const std::string& rule,
                                    const std::vector<std::string>& entries)
    {
        std::vector<std::string> all;
        for (const std::string& entry : entries) {
            if (!starts_with(entry, "file:")) {
                all.push_back(entry);
                continue;
            }
            const auto listed = read_list_(entry.substr(5));
            if (listed.empty())
                skip(rule, shown(entry) + " is not there, or is empty");
            all.insert(all.end(), listed.begin(), listed.end());
        }
        return all;
    }

    void add_archive(const AcngRemap& remap)
    {
        AcngArchive archive;
        archive.rule = "Remap-" + printable(remap.name);
        std::string folder;
        std::set<std::string> seen;
        for (const std::string& entry : expand(archive.rule, remap.merged)) {
            const std::string place = place_of(entry);
            if (!place.empty() && seen.insert(place).second)
                archive.hosts.push_back(place);
            else if (entry.size() > 1 && entry.front() == '/' && folder.empty())
                folder = entry.substr(1, entry.find('/', 1) - 1);
            else if (place.empty() && entry.front() != '/')
                skip(archive.rule, shown(entry) + " is no URL");
        }
        // Clients that read http://NODE:3142/debian/ go on doing so if the id is the same.
        archive.id = id_of(folder.empty() ? remap.name : folder);
        for (int number = 2; !ids_.insert(archive.id).second; ++number)
            archive.id = fmt::format("{}-{}", id_of(remap.name), number);
        for (const std::string& entry : expand(archive.rule, remap.targets)) {
            const std::string place = place_of(entry);
            const char* scheme = starts_with(entry, "https://") ? "https://" : "http://";
            if (place.empty())
                skip(archive.rule, shown(entry) + " is no URL");
            else
                add_once(archive.upstreams, scheme + place);
        }
        add_options(remap, archive);
        if (archive.hosts.empty() && archive.upstreams.empty())
            return skip(archive.rule, "it names no host");
        guess_upstreams(archive);
        guess_keyrings(archive);
        done_.archives.push_back(std::move(archive));
    }

    void add_options(const AcngRemap& remap, AcngArchive& archive)
    {
        for (const std::string& option : remap.options) {
            const std::string proxy =
                starts_with(option, "proxy=") ? place_of(option.substr(6)) : "";
            if (!proxy.empty())
                archive.proxy = "http://" + proxy;
            else
                skip(archive.rule, shown(option) + " has no counterpart");
        }
    }

    // Without targets apt-cacher-ng asks whatever host the client named; a node chooses.
    static void guess_upstreams(AcngArchive& archive)
    {
        if (!archive.upstreams.empty())
            return;
        for (const char* known : {"deb.debian.org/debian", "archive.ubuntu.com/ubuntu"})
            if (std::find(archive.hosts.begin(), archive.hosts.end(), known) != archive.hosts.end())
                archive.upstreams.push_back("http://" + std::string(known));
        if (archive.upstreams.empty())
            for (std::size_t i = 0; i < std::min(archive.hosts.size(), kMostGuessed); ++i)
                archive.upstreams.push_back("http://" + archive.hosts[i]);
    }

    void guess_keyrings(AcngArchive& archive)
    {
        std::set<std::string> vendors;
        for (const std::string& url : archive.upstreams)
            vendors.insert(vendor_of(place_of(url)));
        if (vendors.size() == 1 && !vendors.begin()->empty())
            archive.keyrings = find_keyrings_(*vendors.begin());
    }

    // "^(bugs\.debian\.org|changelogs\.ubuntu\.com):443$" -> two names; anything freer: nothing.
    static std::vector<std::string> literal_hosts(std::string_view pattern)
    {
        if (starts_with(pattern, "^"))
            pattern.remove_prefix(1);
        if (!pattern.empty() && pattern.back() == '$')
            pattern.remove_suffix(1);
        std::string_view choices = pattern, rest;
        if (starts_with(pattern, "(") && pattern.find(')') != std::string_view::npos) {
            choices = pattern.substr(1, pattern.find(')') - 1);
            rest = pattern.substr(pattern.find(')') + 1);
        }
        std::vector<std::string> hosts;
        while (true) {
            const std::size_t end = std::min(choices.find('|'), choices.size());
            const std::string regex = std::string(choices.substr(0, end)) + std::string(rest);
            std::string host;
            for (std::size_t i = 0; i < regex.size(); ++i) {
                if (regex[i] == '\\' && i + 1 < regex.size() && regex[i + 1] == '.')
                    ++i;
                else if (regex[i] == '.')
                    return {};  // any character
                host += regex[i];
            }
            const std::size_t colon = host.find(':');
            const bool is_host =
                colon != std::string::npos && colon > 0 &&
                host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.:") ==
                    std::string::npos &&
                parse_number<std::uint16_t>(host.substr(colon + 1));
            if (!is_host)
                return {};
            hosts.push_back(host);
            if (end == choices.size())
                return hosts;
            choices.remove_prefix(end + 1);
        }
    }

    void add_pattern(const std::string& pattern)
    {
        const auto hosts = literal_hosts(pattern);
        if (hosts.empty())
            return skip("PassThroughPattern: " + pattern,
                        "only whole names with a port can be listed in connect-hosts; port 443 of "
                        "public hosts is allowed anyway");
        for (const std::string& host : hosts)
            add_once(done_.connect_hosts, host);
    }

    void set_listen()
    {
        const auto port = parse_number<std::uint16_t>(rules_.port.empty() ? "3142" : rules_.port);
        if (!port || *port == 0 || *port == 65535)
            skip("Port: " + rules_.port, "it is no port");
        const unsigned beside = (port && *port != 0 && *port != 65535 ? *port : 3142U) + 1U;
        std::string address = "0.0.0.0";
        const auto bound = words(rules_.bind_address);
        if (!bound.empty()) {
            const bool is_ip =
                bound[0].find_first_not_of("0123456789abcdefABCDEF.:") == std::string_view::npos;
            if (is_ip)
                address = bound[0].find(':') == std::string_view::npos
                              ? std::string(bound[0])
                              : "[" + std::string(bound[0]) + "]";
            if (!is_ip || bound.size() > 1)
                skip("BindAddress: " + rules_.bind_address, "write such addresses into listen");
        }
        done_.listen = fmt::format("{}:{}", address, beside);
    }

    const AcngRules& rules_;
    const ReadAcngList& read_list_;
    const FindKeyrings& find_keyrings_;
    std::set<std::string> ids_{"HTTPS"};
    AcngTranslation done_;
};

std::string quoted_list(const std::vector<std::string>& texts, std::string_view margin)
{
    if (texts.size() == 1)
        return "[\"" + texts[0] + "\"]";
    std::string list = "[";
    for (const std::string& text : texts)
        list += fmt::format("\n{}    \"{}\",", margin, text);
    return list + fmt::format("\n{}]", margin);
}

}  // namespace

std::string stanza(const AcngArchive& archive)
{
    const bool is_ready = !archive.keyrings.empty();
    const std::string margin = is_ready ? "" : "# ";
    std::string text = fmt::format("\n# {}\n", archive.rule);
    if (!is_ready) {
        text +=
            "# No keyring is known for it. If it is an apt archive, name the file with its\n"
            "# keys and remove the '# ' before these lines.\n";
        if (archive.hosts.size() > kMostShown)
            return text + fmt::format("# {} hosts; the first upstream would be {}\n",
                                      archive.hosts.size(), archive.upstreams.front());
    }
    const auto line = [&](std::string_view key, const std::string& value) {
        text += fmt::format("{}{:<9} = {}\n", margin, key, value);
    };
    text += margin + "[[archive]]\n";
    line("id", "\"" + archive.id + "\"");
    line("keyrings", is_ready ? quoted_list(archive.keyrings, margin)
                              : "[\"/usr/share/keyrings/KEYRING.gpg\"]");
    line("upstreams", quoted_list(archive.upstreams, margin));
    if (!archive.hosts.empty())
        line("hosts", quoted_list(archive.hosts, margin));
    if (!archive.snapshots.empty())
        line("snapshots", quoted_list(archive.snapshots, margin));
    if (!archive.proxy.empty())
        line("proxy", "\"" + archive.proxy + "\"");
    return text;
}

AcngTranslation translate_acng(const AcngRules& rules, const ReadAcngList& read_list,
                               const FindKeyrings& find_keyrings)
{
    return Translator(rules, read_list, find_keyrings).translate();
}

std::string acng_toml(const AcngTranslation& translation)
{
    std::string text = fmt::format(
        "# Made from apt-cacher-ng's configuration by `aptward import apt-cacher-ng`.\n"
        "# Beside apt-cacher-ng; take its port when it is gone.\n"
        "listen = [\"{}\"]\n",
        translation.listen);
    if (!translation.proxy.empty())
        text += fmt::format("proxy = \"{}\"\n", translation.proxy);
    if (!translation.connect_hosts.empty())
        text += fmt::format("connect-hosts = {}\n", quoted_list(translation.connect_hosts, ""));
    for (const AcngArchive& archive : translation.archives)
        text += stanza(archive);
    if (!translation.untranslated.empty())
        text += "\n# Not translated:\n";
    for (const std::string& sentence : translation.untranslated)
        text += "# " + sentence + "\n";
    return text;
}

}  // namespace aptward::node
