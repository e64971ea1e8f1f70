// SPDX-License-Identifier: GPL-3.0-or-later
// Reading apt-cacher-ng's files.
#include "node/acng_rules.h"

#include <algorithm>

#include "base/text.h"

namespace aptward::node {
namespace {

constexpr std::string_view kRemap = "remap-";

// '#' starts a comment at the beginning of a line or after a blank.
std::string_view without_comment(std::string_view line)
{
    for (std::size_t i = 0; i < line.size(); ++i)
        if (line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t'))
            return line.substr(0, i);
    return line;
}

void append_words(std::string_view text, std::vector<std::string>& to)
{
    for (const std::string_view word : words(text))
        to.emplace_back(word);
}

void add_remap(std::string_view name, std::string_view value, AcngRules& rules)
{
    auto found = std::find_if(rules.remaps.begin(), rules.remaps.end(),
                              [&](const AcngRemap& remap) { return remap.name == name; });
    if (found == rules.remaps.end())
        found = rules.remaps.insert(found, AcngRemap{std::string(name), {}, {}, {}});
    const std::size_t first = std::min(value.find(';'), value.size());
    append_words(value.substr(0, first), found->merged);
    value.remove_prefix(std::min(first + 1, value.size()));
    const std::size_t second = std::min(value.find(';'), value.size());
    append_words(value.substr(0, second), found->targets);
    append_words(value.substr(std::min(second + 1, value.size())), found->options);
}

void add_line(std::string_view line, AcngRules& rules)
{
    const std::size_t end = line.find_first_of(":=");
    if (end == std::string_view::npos)
        return;
    const std::string_view key = trim(line.substr(0, end)), value = trim(line.substr(end + 1));
    const std::string name = to_lower(key);
    if (name.size() > kRemap.size() && name.substr(0, kRemap.size()) == kRemap)
        add_remap(key.substr(kRemap.size()), value, rules);
    else if (name == "passthroughpattern")
        rules.pass_through.emplace_back(value);
    else if (name == "port")
        rules.port = value;
    else if (name == "bindaddress")
        rules.bind_address = value;
    else if (name == "proxy")
        rules.proxy = value;
    else if (!key.empty() && name != "adminauth")  // a password
        rules.unused.push_back(std::string(key) + ": " + std::string(value));
}

}  // namespace

void read_acng_conf(std::string_view text, AcngRules& rules)
{
    std::string whole;  // a line with the indented ones that continue it
    for (std::size_t start = 0; start <= text.size();) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        std::string_view line = text.substr(start, end - start);
        start = end + 1;
        if (!line.empty() && line.back() == '\r')
            line.remove_suffix(1);
        const std::string_view content = trim(without_comment(line));
        const bool continues = !line.empty() && (line.front() == ' ' || line.front() == '\t');
        if (!continues || whole.empty()) {
            add_line(whole, rules);
            whole = content;
        } else if (!content.empty()) {
            whole.append(" ").append(content);
        }
    }
    add_line(whole, rules);
}

std::vector<std::string> read_acng_list(std::string_view text)
{
    std::vector<std::string> urls;
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        const auto fields = words(without_comment(text.substr(start, end - start)));
        if (!fields.empty())
            urls.emplace_back(trim(fields[0]));
        start = end + 1;
    }
    return urls;
}

}  // namespace aptward::node
