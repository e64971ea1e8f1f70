// SPDX-License-Identifier: GPL-3.0-or-later
// The texts of a machine's apt, by the first byte: sources in both formats, apt.conf.
// URIs found in sources stand where they are said to stand, and putting others there changes
// nothing else. The settings of an apt.conf, written one a line, read the same.
#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "deb/apt_conf_text.h"
#include "deb/sources_text.h"
#include "input.h"

using namespace aptward;

namespace {

std::size_t line_at(std::string_view text, std::size_t offset)
{
    return 1 + static_cast<std::size_t>(std::count(
                   text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
}

void check_sources(std::string_view text, deb::SourcesFormat format)
{
    const std::vector<deb::UriPlace> places = deb::find_source_uris(text, format);
    std::vector<std::string> same, others;
    std::size_t from = 0;
    for (const deb::UriPlace& place : places) {
        CHECK(place.offset >= from && !place.uri.empty(), "places follow each other");
        CHECK(text.substr(place.offset, place.uri.size()) == place.uri, "and hold their URI");
        CHECK(line_at(text, place.offset) == place.line, "on their line");
        from = place.offset + place.uri.size();
        same.push_back(place.uri);
        others.push_back("http://node.example:3142/" + std::to_string(others.size()));
    }
    CHECK(deb::replace_uris(text, places, same) == text, "the same URIs give the same text");
    const std::string replaced = deb::replace_uris(text, places, others);
    const std::vector<deb::UriPlace> again = deb::find_source_uris(replaced, format);
    CHECK(again.size() == places.size(), "the text has as many sources as before");
    for (std::size_t i = 0; i < again.size(); ++i)
        CHECK(again[i].uri == others[i] && again[i].suites == places[i].suites &&
                  again[i].line == places[i].line,
              "which differ in their URIs only");
    CHECK(deb::replace_uris(replaced, again, same) == text, "and can be put back");
}

void check_conf(std::string_view text)
{
    const std::vector<deb::AptSetting> settings = deb::read_apt_conf(text);
    std::string plain;
    std::size_t line = 1;
    for (const deb::AptSetting& setting : settings) {
        CHECK(setting.line >= line && setting.line <= line_at(text, text.size()),
              "settings come in the order of their lines");
        line = setting.line;
        plain += setting.name + " \"" + setting.value + "\";\n";
    }
    const std::vector<deb::AptSetting> again = deb::read_apt_conf(plain);
    CHECK(again.size() == settings.size(), "as many settings");
    for (std::size_t i = 0; i < again.size(); ++i)
        CHECK(again[i].name == settings[i].name && again[i].value == settings[i].value,
              "the same names and values");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const auto check_one_line = [](std::string_view text) {
        check_sources(text, deb::SourcesFormat::one_line);
    };
    const auto check_deb822 = [](std::string_view text) {
        check_sources(text, deb::SourcesFormat::deb822);
    };
    return fuzz::choose(bytes, size, check_one_line, check_deb822, check_conf);
}
