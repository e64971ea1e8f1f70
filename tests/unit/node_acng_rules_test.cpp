// SPDX-License-Identifier: GPL-3.0-or-later
#include "node/acng_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aptward::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

AcngRules rules_of(std::string_view text)
{
    AcngRules rules;
    read_acng_conf(text, rules);
    return rules;
}

AcngTranslation translate(std::string_view text)
{
    const ReadAcngList lists = [](const std::string& name) -> std::vector<std::string> {
        if (name == "deb_mirror*.gz")
            return {"http://ftp.debian.example/debian/", "http://deb.debian.org/debian/"};
        return {};
    };
    const FindKeyrings keyrings = [](const std::string& vendor) -> std::vector<std::string> {
        return {"/keys/" + vendor + ".gpg"};
    };
    const AcngRules rules = rules_of(text);
    return translate_acng(rules, lists, keyrings);
}

TEST(AcngRules, ReadsRemapLinesWithCommentsAndContinuations)
{
    const AcngRules rules = rules_of(
        "# Remap-no: a ; b\n"
        "Remap-debrep: file:deb_mirror*.gz /debian ; file:backends_debian # Debian Archives\n"
        "Remap-cygwin: file:cygwin_mirrors /cygwin # ; file:backends_cygwin\r\n"
        "Remap-two = a.example/x ;\n   b.example/x ;\n\tkeyfile=Release keyfile=.deb\n"
        "Remap-debrep: more.example/debian\nremap-: ignored\n: nothing\nnothing at all\n"
        "Port:3142\nBindAddress: localhost 10.0.0.1\nExThreshold: 4\nAdminAuth: a:secret\n");
    ASSERT_EQ(rules.remaps.size(), 3U);
    EXPECT_THAT(rules.remaps[0].merged,
                ElementsAre("file:deb_mirror*.gz", "/debian", "more.example/debian"));
    EXPECT_THAT(rules.remaps[0].targets, ElementsAre("file:backends_debian"));
    EXPECT_TRUE(rules.remaps[1].targets.empty());
    EXPECT_THAT(rules.remaps[2].targets, ElementsAre("b.example/x"));
    EXPECT_THAT(rules.remaps[2].options, ElementsAre("keyfile=Release", "keyfile=.deb"));
    EXPECT_EQ(rules.port, "3142");
    EXPECT_EQ(rules.bind_address, "localhost 10.0.0.1");
    for (const std::string& line : rules.unused)
        EXPECT_THAT(line, Not(HasSubstr("secret")));
}

TEST(AcngRules, ListsAreUrlsAndComments)
{
    EXPECT_THAT(read_acng_list("# c\nhttp://a.example/debian/ more\n\n  b.example/x # y"),
                ElementsAre("http://a.example/debian/", "b.example/x"));
}

TEST(AcngRules, TranslatesARemapOfKnownVendors)
{
    const AcngTranslation done = translate(
        "Remap-debrep: file:deb_mirror*.gz /debian ; file:backends_debian\n"
        "Remap-secdeb: security.debian.org security.debian.org/debian-security "
        "/debian-security ; deb.debian.org/debian-security security.debian.org\n");
    ASSERT_EQ(done.archives.size(), 2U);
    EXPECT_EQ(done.archives[0].id, "debian");
    EXPECT_THAT(done.archives[0].hosts,
                ElementsAre("ftp.debian.example/debian", "deb.debian.org/debian"));
    EXPECT_THAT(done.archives[0].upstreams, ElementsAre("http://deb.debian.org/debian"));
    EXPECT_THAT(done.archives[0].keyrings, ElementsAre("/keys/debian.gpg"));
    EXPECT_EQ(done.archives[1].id, "debian-security");
    EXPECT_THAT(done.archives[1].upstreams,
                ElementsAre("http://deb.debian.org/debian-security", "http://security.debian.org"));
    EXPECT_THAT(done.archives[1].keyrings, ElementsAre("/keys/debian.gpg"));
    EXPECT_THAT(done.untranslated, ElementsAre(HasSubstr("file:backends_debian is not there")));
}

TEST(AcngRules, WhatHasNoKeyringIsCommentedOut)
{
    const std::string toml = acng_toml(translate("Remap-ppa: ppa.example/x ppa.example/y\n"));
    EXPECT_THAT(toml, HasSubstr("\n# [[archive]]\n# id        = \"ppa\"\n"));
    EXPECT_THAT(toml, HasSubstr("#     \"http://ppa.example/x\",\n"));
    EXPECT_THAT(toml, Not(HasSubstr("\n[[archive]]")));
}

TEST(AcngRules, PassThroughPatternsOfWholeNamesBecomeConnectHosts)
{
    const AcngTranslation done = translate(
        "PassThroughPattern: ^(bugs\\.debian\\.org|changelogs\\.ubuntu\\.com):443$\n"
        "PassThroughPattern: private\\.example:8443$\n"
        "PassThroughPattern: .*\nPassThroughPattern: a.example:443\nPassThroughPattern: (a\n");
    EXPECT_THAT(done.connect_hosts, ElementsAre("bugs.debian.org:443", "changelogs.ubuntu.com:443",
                                                "private.example:8443"));
    EXPECT_EQ(done.untranslated.size(), 3U);
}

TEST(AcngRules, ListensBesideAndKeepsTheProxyButNoPassword)
{
    EXPECT_EQ(translate("").listen, "0.0.0.0:3143");
    EXPECT_EQ(translate("Port: 9999\nBindAddress: 10.0.0.1").listen, "10.0.0.1:10000");
    EXPECT_EQ(translate("BindAddress: ::1").listen, "[::1]:3143");
    EXPECT_EQ(translate("Port: 65535").untranslated.size(), 1U);
    EXPECT_EQ(translate("Proxy: http://proxy.example:8080/").proxy, "http://proxy.example:8080");
    const std::string toml = acng_toml(translate(
        "Proxy: http://me:secret@proxy.example\nRemap-a: http://me:secret@a.example/x\n"));
    EXPECT_THAT(toml, Not(HasSubstr("secret")));
    EXPECT_THAT(toml, HasSubstr("# Remap-a: it names no host"));
}

TEST(AcngRules, HostileTextStaysInsideItsLine)
{
    const std::string toml = acng_toml(
        translate("Remap-a\"]\x01: x\"y.example/z ok.example/\xff ok.example/z ; ; proxy=\"\n"
                  "Odd: \x01\"\n"));
    for (const char c : toml)
        EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f));
    EXPECT_THAT(toml, HasSubstr("# id        = \"a---\"\n"));
}

}  // namespace
}  // namespace aptward::node
