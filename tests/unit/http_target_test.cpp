// SPDX-License-Identifier: GPL-3.0-or-later
// Targets: every spelling of one name meets at one path, and no spelling leaves the archive (A19).
#include <gmock/gmock.h>

#include <string>

#include "http/message.h"

namespace aptward::http {
namespace {

using Form = Target::Form;

Target must_parse(std::string_view target, std::string_view method = "GET")
{
    auto parsed = parse_target(method, target);
    if (!parsed) {
        ADD_FAILURE() << target << ": " << parsed.error().message();
        return {};
    }
    return *parsed;
}

void expect_refused(std::string_view target, std::string_view method = "GET")
{
    const auto parsed = parse_target(method, target);
    ASSERT_FALSE(parsed) << target << " became " << parsed->path;
    EXPECT_EQ(parsed.error().code(), Errc::malformed);
}

TEST(Target, ReadsOriginForm)
{
    const Target target =
        must_parse("/debian/pool/main/g/g++/g%2b%2b_1%3a12~rc1_amd64.deb?x=%2F&y");
    EXPECT_EQ(target.form, Form::origin);
    EXPECT_EQ(target.host, "");
    EXPECT_FALSE(target.is_https);
    EXPECT_EQ(target.raw_path, "/debian/pool/main/g/g++/g%2b%2b_1%3a12~rc1_amd64.deb");
    EXPECT_EQ(target.path, "/debian/pool/main/g/g++/g++_1:12~rc1_amd64.deb");
    EXPECT_EQ(target.query, "x=%2F&y");
}

TEST(Target, ReadsAbsoluteForm)
{
    struct Case {
        std::string_view text, host;
        int port;
        bool is_https;
        std::string_view raw_path, query;
    };
    const Case cases[] = {
        {"http://deb.debian.org/debian/x", "deb.debian.org", 80, false, "/debian/x", ""},
        {"http://deb.debian.org", "deb.debian.org", 80, false, "/", ""},
        {"http://Deb.Debian.ORG.:8080/", "deb.debian.org", 8080, false, "/", ""},
        {"HTTP://a/x", "a", 80, false, "/x", ""},
        {"http://a?q", "a", 80, false, "/", "q"},
        {"http://a/?q?r", "a", 80, false, "/", "q?r"},
        {"http://192.0.2.1:65535/x", "192.0.2.1", 65535, false, "/x", ""},
        {"http://[2001:DB8::1]/x", "2001:db8::1", 80, false, "/x", ""},
        {"http://[2001:db8:0:0::1]:81/x", "2001:db8::1", 81, false, "/x", ""},
        {"https://a/x", "a", 443, true, "/x", ""},
        {"Https://a:444/x", "a", 444, true, "/x", ""},
        {"http://HTTPS///download.docker.com/linux/x?q", "download.docker.com", 443, true,
         "/linux/x", "q"},
        {"http://https///a:8443", "a", 8443, true, "/", ""},
        {"http://https/x", "https", 80, false, "/x", ""},
        {"http://a/http://b/x", "a", 80, false, "/http://b/x", ""},
    };
    for (const Case& c : cases) {
        const Target target = must_parse(c.text);
        EXPECT_EQ(target.form, Form::absolute) << c.text;
        EXPECT_EQ(target.host, c.host) << c.text;
        EXPECT_EQ(target.port, c.port) << c.text;
        EXPECT_EQ(target.is_https, c.is_https) << c.text;
        EXPECT_EQ(target.raw_path, c.raw_path) << c.text;
        EXPECT_EQ(target.query, c.query) << c.text;
    }
}

TEST(Target, ReadsAuthorityFormForConnectOnly)
{
    const Target target = must_parse("Deb.debian.org.:443", "CONNECT");
    EXPECT_EQ(target.form, Form::authority);
    EXPECT_EQ(target.host, "deb.debian.org");
    EXPECT_EQ(target.port, 443);
    EXPECT_EQ(must_parse("[::1]:8443", "CONNECT").host, "::1");
    EXPECT_EQ(must_parse("[::1]:8443", "CONNECT").port, 8443);
    for (const std::string_view text : {"a", "a:", "a:0", "a:443/", "/", "http://a:443", "*",
                                        "[::1]", "::1:443", "u@a:443", "a:443?x", ":443", ""})
        expect_refused(text, "CONNECT");
    expect_refused("deb.debian.org:443", "GET");
}

TEST(Target, ReadsAsteriskForOptionsOnly)
{
    EXPECT_EQ(must_parse("*", "OPTIONS").form, Form::asterisk);
    expect_refused("*", "GET");
    expect_refused("*x", "OPTIONS");
}

TEST(Target, A19_RefusesUserinfoBadHostsAndBadPorts)
{
    for (const std::string_view authority : {"",
                                             "u@a",
                                             "u:p@a",
                                             "a:0",
                                             "a:65536",
                                             "a:",
                                             "a:x",
                                             "a:+80",
                                             "a:080",
                                             "a:80:81",
                                             "a%2eb",
                                             "a,b",
                                             "a;b",
                                             "a\\b",
                                             "..",
                                             ".",
                                             ".a",
                                             "a..b",
                                             "a:80@b",
                                             "[::1",
                                             "::1",
                                             "[::1]x",
                                             "[::1]:",
                                             "[::g]",
                                             "[127.0.0.1]",
                                             "[fe80::1%25eth0]",
                                             "[]",
                                             "a'b",
                                             "a\"b",
                                             "a*",
                                             "a!b",
                                             "a|b"})
        expect_refused("http://" + std::string(authority) + "/x");
    expect_refused("http://" + std::string(254, 'a') + "/x");
    expect_refused("http://https///u@a/x");
    expect_refused("http://https////x");
}

TEST(Target, A19_RefusesOtherSchemesAndNoScheme)
{
    for (const std::string_view text :
         {"", "x", "ftp://a/x", "file:///etc/passwd", "http:/a", "http:", "http//a", "gopher://a",
          "htt", "?x", "%2fx", "mailto:a"})
        expect_refused(text);
}

TEST(Target, A19_RefusesDotSegmentsHoweverEncoded)
{
    for (const std::string_view path :
         {"/..", "/../x", "/a/../b", "/a/..", "/%2e%2e/x", "/%2E./x", "/.%2e", "/a/%2e/b", "/%2e",
          "/a/%2e", "/a/..%2fb", "/a%2f..%2fb", "/..%5cx", "/..?q", "/./../x", "//../x"}) {
        expect_refused(path);
        expect_refused("http://a" + std::string(path));
    }
}

TEST(Target, A18_RefusesControlBytesHoweverEncoded)
{
    for (int byte = 0; byte < 0x100; ++byte) {
        if (byte >= 0x20 && byte != 0x7f && byte != '\\' && byte != '/' && byte < 0x80)
            continue;
        const char hex[] = "0123456789abcdef";
        const std::string encoded = {'/', 'a', '%', hex[byte / 16], hex[byte % 16], 'b'};
        expect_refused(encoded);
        expect_refused("/a" + std::string(1, static_cast<char>(byte == '/' ? 0 : byte)) + "b");
    }
    for (const std::string_view text : {"/a b", "/a?b c", "/a?b\nc", "/a\tb", "http://a\r/b"})
        expect_refused(text);
}

TEST(Target, A19_RefusesBadPercentEncoding)
{
    for (const std::string_view path : {"/%", "/%4", "/%4g", "/%g4", "/%%41", "/a%", "/%/41",
                                        "/% 41", "/%u0041", "/%4/1", "/%-1", "/%+1"})
        expect_refused(path);
}

TEST(Target, A19_RefusesWhatIsNoUtf8)
{
    for (const std::string_view path :
         {"/%c0%ae%c0%ae/x", "/%c0%af", "/%c1%bf", "/%e0%80%ae", "/%e0%9f%bf", "/%f0%80%80%ae",
          "/%f0%8f%bf%bf", "/%ed%a0%80", "/%f4%90%80%80", "/%f5%80%80%80", "/%ff", "/%80", "/%c3",
          "/%c3x", "/%c3/%a9", "/%e2%82", "/%e2%82x", "/%f0%9f%92"})
        expect_refused(path);
    EXPECT_EQ(must_parse("/%c3%a9%e2%82%ac%f0%9f%92%a9%ed%9f%bf%f4%8f%bf%bf").path,
              "/\xc3\xa9\xe2\x82\xac\xf0\x9f\x92\xa9\xed\x9f\xbf\xf4\x8f\xbf\xbf");
}

TEST(Target, A19_RefusesFragmentsAndTooLongTargets)
{
    for (const std::string_view text : {"/a#b", "/#", "/a?b#c", "http://a#b", "http://a/#@b/"})
        expect_refused(text);
    EXPECT_EQ(must_parse("/" + std::string(kMaxTargetBytes - 1, 'a')).path.size(), kMaxTargetBytes);
    expect_refused("/" + std::string(kMaxTargetBytes, 'a'));
}

TEST(Target, MeetsAtOnePathForEverySpelling)
{
    struct Case {
        std::string_view raw, path;
    };
    const Case cases[] = {
        {"/", "/"},
        {"//", "/"},
        {"/.", "/"},
        {"/./", "/"},
        {"//a", "/a"},
        {"/a/", "/a/"},
        {"/a//", "/a/"},
        {"/a//b///c", "/a/b/c"},
        {"/flat/./InRelease", "/flat/InRelease"},
        {"/flat/././/./InRelease", "/flat/InRelease"},
        {"/flat/.", "/flat/"},
        {"/.a/..b/c../d./...", "/.a/..b/c../d./..."},
        {"/a+b", "/a+b"},
        {"/a%2Bb", "/a+b"},
        {"/a%2bb", "/a+b"},
        {"/a~b", "/a~b"},
        {"/a%7eb", "/a~b"},
        {"/1%3a2", "/1:2"},
        {"/%41%42", "/AB"},
        {"/%252e%252e/x", "/%2e%2e/x"},
        {"/%252f", "/%2f"},
        {"/a%20b", "/a b"},
        {"/a;p=1/b", "/a;p=1/b"},
        {"/..;/x", "/..;/x"},
        {"/a%3fb%23c", "/a?b#c"},
        {"/http://evil/x", "/http:/evil/x"},
        {"/A/a", "/A/a"},
    };
    for (const Case& c : cases) {
        const Target target = must_parse(c.raw);
        EXPECT_EQ(target.path, c.path) << c.raw;
        EXPECT_EQ(target.raw_path, c.raw);
        EXPECT_EQ(must_parse(encode_path(c.path)).path, c.path) << c.raw;
    }
}

TEST(EncodePath, LeavesWhatDebianNamesContainAndEncodesTheRest)
{
    EXPECT_EQ(encode_path("/g++_1:12~rc1@x=y,z-a.b_c"), "/g++_1:12~rc1@x=y,z-a.b_c");
    EXPECT_EQ(encode_path("/a b?c#d%e\xc3\xa9&;"), "/a%20b%3Fc%23d%25e%C3%A9%26%3B");
    EXPECT_EQ(encode_path(""), "");
}

}  // namespace
}  // namespace aptward::http
