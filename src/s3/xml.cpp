// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/xml.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace aptward::s3 {
namespace {

bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

}  // namespace

bool is_xml_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool XmlCursor::skip(std::string_view token)
{
    if (!rest_.starts_with(token))
        return false;
    rest_.remove_prefix(token.size());
    return true;
}

void XmlCursor::skip_spaces()
{
    while (!rest_.empty() && is_space(rest_.front()))
        rest_.remove_prefix(1);
}

bool XmlCursor::skip_declaration()
{
    if (!skip("<?xml "))
        return true;
    const std::size_t end = rest_.find("?>");
    if (end == std::string_view::npos || rest_.substr(0, end).find('<') != std::string_view::npos)
        return false;
    rest_.remove_prefix(end + 2);
    return true;
}

bool XmlCursor::open_document(std::string_view name)
{
    std::string_view root;
    bool is_over = false;
    if (!skip_declaration())
        return false;
    skip_spaces();
    return open(root, is_over) && root == name && !is_over;
}

bool XmlCursor::open(std::string_view& name, bool& is_over)
{
    if (!skip("<"))
        return false;
    std::size_t length = 0;
    while (length < rest_.size() && is_xml_word(rest_[length]))
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

std::string_view XmlCursor::text()
{
    const std::size_t end = std::min(rest_.find('<'), rest_.size());
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return text;
}

bool XmlCursor::skip_rest_of(std::string_view name, unsigned depth)
{
    for (;;) {
        text();
        if (is_at_closing())
            return close(name);
        std::string_view inner;
        bool is_over = false;
        if (depth == 0 || !open(inner, is_over))
            return false;
        if (!is_over && !skip_rest_of(inner, depth - 1))
            return false;
    }
}

std::optional<std::string> plain_xml(std::string_view text)
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

}  // namespace aptward::s3
