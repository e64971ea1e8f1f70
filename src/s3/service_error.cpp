// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/service_error.h"

#include <algorithm>

#include "base/text.h"

namespace aptward::s3 {
namespace {

constexpr std::size_t kMostCodeBytes = 64, kMostMessageBytes = 300;
constexpr std::size_t kMostChildren = 32;

bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Of the few forms that refusals have. Each step gives false for anything else.
class Cursor {
public:
    explicit Cursor(std::string_view text) : rest_(text) {}

    bool skip(std::string_view token)
    {
        if (!rest_.starts_with(token))
            return false;
        rest_.remove_prefix(token.size());
        return true;
    }

    void skip_spaces()
    {
        while (!rest_.empty() && is_space(rest_.front()))
            rest_.remove_prefix(1);
    }

    // <?xml version="1.0" encoding="UTF-8"?>, which may be missing.
    bool skip_declaration()
    {
        if (!skip("<?xml "))
            return true;
        const std::size_t end = rest_.find("?>");
        if (end == std::string_view::npos ||
            rest_.substr(0, end).find('<') != std::string_view::npos)
            return false;
        rest_.remove_prefix(end + 2);
        return true;
    }

    // <NAME>, <NAME ATTRIBUTES>, or one of them with "/" at its end: then it is empty and over.
    // Nothing is read from attributes.
    bool open(std::string_view& name, bool& is_over)
    {
        if (!skip("<"))
            return false;
        std::size_t length = 0;
        while (length < rest_.size() && is_word(rest_[length]))
            ++length;
        name = rest_.substr(0, length);
        rest_.remove_prefix(length);
        const std::size_t end = rest_.find('>');
        if (name.empty() || end == std::string_view::npos)
            return false;
        std::string_view attributes = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        is_over = attributes.ends_with('/');
        if (is_over)
            attributes.remove_suffix(1);
        return attributes.empty() || (is_space(attributes.front()) &&
                                      attributes.find_first_of("<&") == std::string_view::npos);
    }

    bool close(std::string_view name) { return skip("</") && skip(name) && skip(">"); }

    // Up to the next tag.
    std::string_view text()
    {
        const std::size_t end = std::min(rest_.find('<'), rest_.size());
        const std::string_view text = rest_.substr(0, end);
        rest_.remove_prefix(end);
        return text;
    }

    bool is_at_end() const { return rest_.empty(); }
    bool is_at_closing() const { return rest_.starts_with("</"); }

private:
    std::string_view rest_;
};

// With XML's own entities; characters by number become "?", which nobody has to read.
std::optional<std::string> plain(std::string_view text)
{
    static constexpr std::pair<std::string_view, char> kEntities[] = {
        {"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
    std::string out;
    while (!text.empty()) {
        const char c = text.front();
        text.remove_prefix(1);
        if (c != '&') {
            out += c;
            continue;
        }
        const std::size_t end = text.find(';');
        if (end == std::string_view::npos || end == 0 || end > 8)
            return std::nullopt;
        const std::string_view name = text.substr(0, end);
        text.remove_prefix(end + 1);
        const auto* const known =
            std::find_if(std::begin(kEntities), std::end(kEntities),
                         [name](const auto& entity) { return entity.first == name; });
        if (known == std::end(kEntities) && name.front() != '#')
            return std::nullopt;
        out += known == std::end(kEntities) ? '?' : known->second;
    }
    return out;
}

}  // namespace

std::optional<ServiceError> read_service_error(std::string_view xml)
{
    if (xml.size() > kMostErrorBytes)
        return std::nullopt;
    Cursor cursor(xml);
    std::string_view root;
    bool is_over = false;
    if (!cursor.skip_declaration())
        return std::nullopt;
    cursor.skip_spaces();
    if (!cursor.open(root, is_over) || root != "Error" || is_over)
        return std::nullopt;
    std::optional<std::string> code, message;
    for (std::size_t children = 0;; ++children) {
        cursor.skip_spaces();
        if (cursor.is_at_closing())
            break;
        std::string_view name;
        if (children == kMostChildren || !cursor.open(name, is_over))
            return std::nullopt;
        const auto text = is_over ? std::optional(std::string()) : plain(cursor.text());
        if (!text || (!is_over && !cursor.close(name)))
            return std::nullopt;
        auto* const to = name == "Code" ? &code : name == "Message" ? &message : nullptr;
        if (to == nullptr)
            continue;
        if (*to)
            return std::nullopt;  // which of the two counts is anybody's guess
        *to = text;
    }
    if (!cursor.close("Error"))
        return std::nullopt;
    cursor.skip_spaces();
    if (!cursor.is_at_end() || !code || code->empty() || code->size() > kMostCodeBytes ||
        !std::all_of(code->begin(), code->end(), is_word))
        return std::nullopt;
    return ServiceError{*code, printable(message.value_or("").substr(0, kMostMessageBytes))};
}

}  // namespace aptward::s3
