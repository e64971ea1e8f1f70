// SPDX-License-Identifier: GPL-3.0-or-later
#include "deb/sources_text.h"

#include "base/check.h"
#include "base/text.h"

namespace aptward::deb {
namespace {

struct Line {
    std::string_view text;
    std::size_t offset = 0, number = 0;
};

std::vector<Line> lines_of(std::string_view text)
{
    std::vector<Line> lines;
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        lines.push_back({text.substr(start, end - start), start, lines.size() + 1});
        start = end + 1;
    }
    return lines;
}

std::size_t offset_in(std::string_view whole, std::string_view part)
{
    return static_cast<std::size_t>(part.data() - whole.data());
}

// "deb [ arch=amd64 signed-by=/x ] URI SUITE [COMPONENT]..."
void read_one_line(const Line& line, std::vector<UriPlace>& places)
{
    std::string_view rest = line.text.substr(0, line.text.find('#'));
    const auto first = words(rest);
    if (first.empty() || (first[0] != "deb" && first[0] != "deb-src"))
        return;
    rest.remove_prefix(offset_in(rest, first[0]) + first[0].size());
    const std::size_t start = rest.find_first_not_of(" \t");
    if (start == std::string_view::npos)
        return;
    rest.remove_prefix(start);
    if (rest.front() == '[') {
        const std::size_t end = rest.find(']');
        if (end == std::string_view::npos)
            return;
        rest.remove_prefix(end + 1);
    }
    const auto fields = words(rest);
    if (fields.size() < 2)
        return;
    places.push_back({std::string(fields[0]),
                      line.offset + offset_in(line.text, fields[0]),
                      {std::string(fields[1])},
                      line.number});
}

// One deb822 paragraph while it is read.
struct Stanza {
    std::vector<UriPlace> uris;
    std::vector<std::string> suites;
    bool is_enabled = true;
    std::string field;

    void finish(std::vector<UriPlace>& places)
    {
        for (UriPlace& place : uris) {
            place.suites = suites;
            if (is_enabled)
                places.push_back(std::move(place));
        }
        *this = Stanza();
    }

    void read_value(const Line& line, std::string_view value)
    {
        for (const std::string_view word : words(value)) {
            if (field == "uris")
                uris.push_back(
                    {std::string(word), line.offset + offset_in(line.text, word), {}, line.number});
            else if (field == "suites")
                suites.emplace_back(word);
            else if (field == "enabled")
                is_enabled = !(
                    equals_ignoring_case(word, "no") || equals_ignoring_case(word, "false") ||
                    equals_ignoring_case(word, "off") || word == "0" ||
                    equals_ignoring_case(word, "without") || equals_ignoring_case(word, "disable"));
        }
    }
};

void read_deb822_line(const Line& line, Stanza& stanza, std::vector<UriPlace>& places)
{
    if (trim(line.text).empty())
        return stanza.finish(places);
    if (line.text.front() == '#')
        return;
    if (line.text.front() == ' ' || line.text.front() == '\t')
        return stanza.read_value(line, line.text);
    const std::size_t colon = line.text.find(':');
    stanza.field = to_lower(trim(line.text.substr(0, colon)));
    if (colon != std::string_view::npos)
        stanza.read_value(line, line.text.substr(colon + 1));
}

}  // namespace

std::vector<UriPlace> find_source_uris(std::string_view text, SourcesFormat format)
{
    std::vector<UriPlace> places;
    Stanza stanza;
    for (const Line& line : lines_of(text)) {
        if (format == SourcesFormat::one_line)
            read_one_line(line, places);
        else
            read_deb822_line(line, stanza, places);
    }
    stanza.finish(places);
    return places;
}

std::string replace_uris(std::string_view text, const std::vector<UriPlace>& places,
                         const std::vector<std::string>& to)
{
    CHECK(places.size() == to.size(), "one replacement for each place");
    std::string replaced;
    std::size_t from = 0;
    for (std::size_t i = 0; i < places.size(); ++i) {
        replaced.append(text.substr(from, places[i].offset - from)).append(to[i]);
        from = places[i].offset + places[i].uri.size();
    }
    return replaced.append(text.substr(from));
}

}  // namespace aptward::deb
