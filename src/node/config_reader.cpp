// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/config_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "base/text.h"

namespace aptward::node {
namespace {

std::optional<std::chrono::seconds> parse_duration(std::string_view text)
{
    if (text == "0")
        return std::chrono::seconds(0);
    const std::size_t unit_at = text.find_first_not_of("0123456789");
    const auto number = parse_number<std::uint32_t>(text.substr(0, unit_at));
    if (!number || unit_at == std::string_view::npos)
        return std::nullopt;
    const std::string_view unit = text.substr(unit_at);
    const std::int64_t factor = unit == "s"   ? 1
                                : unit == "m" ? 60
                                : unit == "h" ? 3600
                                : unit == "d" ? 86400
                                              : 0;
    if (factor == 0)
        return std::nullopt;
    return std::chrono::seconds(std::int64_t{*number} * factor);
}

}  // namespace

Reader::Reader(const toml::table& table, std::string section, std::string file,
               std::vector<Mistake>& mistakes)
    : table_(table), section_(std::move(section)), file_(std::move(file)), mistakes_(mistakes)
{
    for (const auto& [key, value] : table_) {
        const std::string name(key.str());
        const auto& keys = config_keys();
        const bool is_known = std::any_of(keys.begin(), keys.end(), [&](const ConfigKey& known) {
            return (section_ == known.section && name == known.name) ||
                   (section_.empty() && !name.empty() && name == known.section);
        });
        if (!is_known)
            mistake(name, "there is no such key; accepted are: " + known_names());
    }
}

void Reader::mistake(const std::string& key, const std::string& message)
{
    const toml::node* node = table_.get(key);
    const auto line = node != nullptr ? node->source().begin.line : table_.source().begin.line;
    const std::string name = section_.empty() ? key : section_ + "." + key;
    mistakes_.push_back({fmt::format("{}:{}", file_, line), name + ": " + message});
}

void Reader::read(const char* key, std::string& to)
{
    const toml::node* node = table_.get(key);
    if (node == nullptr)
        return;
    if (const auto text = node->value_exact<std::string>())
        to = *text;
    else
        mistake(key, "a text in quotes is wanted");
}

void Reader::read(const char* key, std::vector<std::string>& to)
{
    const toml::node* node = table_.get(key);
    if (node == nullptr)
        return;
    const toml::array* list = node->as_array();
    if (list == nullptr)
        return mistake(key, "a list is wanted: [\"...\", \"...\"]");
    to.clear();
    for (const toml::node& element : *list) {
        const auto text = element.value_exact<std::string>();
        if (!text)
            return mistake(key, "a list of texts in quotes is wanted");
        to.push_back(*text);
    }
}

void Reader::read(const char* key, unsigned& to, unsigned least, unsigned most)
{
    const toml::node* node = table_.get(key);
    if (node == nullptr)
        return;
    const auto number = node->value_exact<std::int64_t>();
    if (!number || *number < least || *number > most)
        return mistake(key, fmt::format("a whole number from {} to {} is wanted", least, most));
    to = static_cast<unsigned>(*number);
}

void Reader::read(const char* key, bool& to)
{
    const toml::node* node = table_.get(key);
    if (node == nullptr)
        return;
    const auto value = node->value_exact<bool>();
    if (!value)
        return mistake(key, "accepted are: true, false");
    to = *value;
}

void Reader::read(const char* key, std::chrono::seconds& to)
{
    std::string text;
    read(key, text);
    if (text.empty())
        return;
    if (const auto duration = parse_duration(text))
        to = *duration;
    else
        mistake(key, "\"" + text + "\" is no duration: write \"60s\", \"5m\", \"6h\" or \"2d\"");
}

void Reader::read_size(const char* key, std::uint64_t& to)
{
    std::string text;
    read(key, text);
    if (const auto size = parse_size(text))
        to = *size;
    else if (!text.empty())
        mistake(key, "\"" + text + "\" is no size: write \"200G\", \"20M\" or \"500k\"");
}

std::string Reader::known_names() const
{
    std::string names;
    std::set<std::string_view> sections;
    for (const ConfigKey& key : config_keys())
        if (section_ == key.section)
            names += (names.empty() ? "" : ", ") + std::string(key.name);
        else if (*key.section != '\0')
            sections.insert(key.section);
    if (section_.empty())
        names += fmt::format(", and the tables [[{}]]", fmt::join(sections, "]], [["));
    return names;
}

}  // namespace aptward::node
