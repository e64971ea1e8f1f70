// SPDX-License-Identifier: GPL-3.0-or-later
#include "deb/sources_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "deb/apt_conf_text.h"

namespace aptward::deb {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> uris(std::string_view text, SourcesFormat format)
{
    std::vector<std::string> found;
    for (const UriPlace& place : find_source_uris(text, format)) {
        EXPECT_EQ(text.substr(place.offset, place.uri.size()), place.uri);
        found.push_back(place.uri);
    }
    return found;
}

TEST(SourcesText, FindsTheUriOfEachOneLineSource)
{
    const std::string text =
        "# deb https://no.example stable main\n"
        "deb https://a.example stable main # https://no.example\n"
        "deb [ arch=amd64 signed-by=/a ]\thttps://b.example/x  ./\n"
        "deb-src [a=b]https://c.example stable\n"
        "deb [ never closed https://no.example stable\ndeb\ndeb [x]\nrpm https://no.example x\n"
        "  deb https://d.example stable";
    EXPECT_THAT(uris(text, SourcesFormat::one_line),
                ElementsAre("https://a.example", "https://b.example/x", "https://c.example",
                            "https://d.example"));
    EXPECT_THAT(find_source_uris(text, SourcesFormat::one_line)[1].suites, ElementsAre("./"));
    EXPECT_EQ(find_source_uris(text, SourcesFormat::one_line)[3].line, 9U);
}

TEST(SourcesText, FindsTheUrisOfEnabledStanzas)
{
    const std::string text =
        "Types: deb\nuris: https://a.example\n# https://no.example\n\thttps://b.example/\n"
        "Suites: stable\n updates\n\nEnabled: No\nURIs: https://no.example\nSuites: x\n \n"
        "URIs:https://c.example https://d.example\nSuites: x\nSigned-By:\n -----BEGIN\n"
        " https://no.example\nEnabled: yes";
    EXPECT_THAT(uris(text, SourcesFormat::deb822),
                ElementsAre("https://a.example", "https://b.example/", "https://c.example",
                            "https://d.example"));
    EXPECT_THAT(find_source_uris(text, SourcesFormat::deb822)[1].suites,
                ElementsAre("stable", "updates"));
}

TEST(SourcesText, ReplacesUrisAndNothingElse)
{
    const std::string text = "deb  https://a.example\ts m #\n\nURIs\ndeb https://b s";
    const auto places = find_source_uris(text, SourcesFormat::one_line);
    EXPECT_EQ(replace_uris(text, places, {"http://a.example", "x"}),
              "deb  http://a.example\ts m #\n\nURIs\ndeb x s");
    EXPECT_EQ(replace_uris(text, {}, {}), text);
    EXPECT_THAT(uris("", SourcesFormat::deb822), IsEmpty());
}

TEST(AptConfText, NamesSettingsWithScopesAndLines)
{
    const auto settings = read_apt_conf(
        "// Acquire::http::Proxy \"no\";\n# no\n/* Acquire::http::Proxy \"no\";\n */\n"
        "Acquire::http::Proxy \"http://a:1\"; // b\n"
        "Acquire {\n  http { Proxy \"http://b:2\"; Timeout 3; };\n  List { \"x\"; };\n};\n"
        "Last \"value\"");
    ASSERT_EQ(settings.size(), 5U);
    EXPECT_EQ(settings[0].name, "Acquire::http::Proxy");
    EXPECT_EQ(settings[0].value, "http://a:1");
    EXPECT_EQ(settings[0].line, 5U);
    EXPECT_EQ(settings[1].name, "Acquire::http::Proxy");
    EXPECT_EQ(settings[1].line, 7U);
    EXPECT_EQ(settings[2].value, "3");
    EXPECT_EQ(settings[3].name, "Acquire::List::");
    EXPECT_EQ(settings[4].name, "Last");
}

TEST(AptConfText, BrokenTextEndsQuietly)
{
    for (const std::string_view text : {"\"", "a \"b", "/*", "}}}}", "{{{{", "a {", "#", "/* *"})
        read_apt_conf(text);
    EXPECT_THAT(read_apt_conf("}; a \"b\";")[0].name, "a");
}

}  // namespace
}  // namespace aptward::deb
