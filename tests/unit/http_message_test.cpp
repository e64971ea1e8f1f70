// SPDX-License-Identifier: GPL-3.0-or-later
// Request heads: what apt sends is read, whatever two parsers could read differently is refused
// (A19). The cases follow RFC 9112 and the bug classes of published smuggling collections.
#include "http/message.h"

#include <gmock/gmock.h>

#include <string>

namespace aptward::http {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

constexpr std::string_view kAptRequest =
    "GET http://deb.debian.org/debian/dists/bookworm/InRelease HTTP/1.1\r\n"
    "Host: deb.debian.org\r\n"
    "Cache-Control: max-age=0\r\n"
    "Accept: text/*\r\n"
    "If-Modified-Since: Sat, 10 Feb 2024 10:00:00 GMT\r\n"
    "User-Agent: Debian APT-HTTP/1.3 (2.6.1) non-interactive\r\n"
    "\r\n";

std::string with_headers(std::string_view headers, std::string_view version = "HTTP/1.1")
{
    std::string text = "GET / ";
    text.append(version).append("\r\nHost: a\r\n").append(headers).append("\r\n");
    return text;
}

// One complete head or a failed test and an empty head.
RequestHead must_parse(std::string_view text)
{
    auto head = parse_request_head(text);
    if (!head) {
        ADD_FAILURE() << head.error().message();
        return {};
    }
    if (!*head) {
        ADD_FAILURE() << "wants more bytes";
        return {};
    }
    return **head;
}

void expect_refused(std::string_view text, std::string_view because = "")
{
    const auto head = parse_request_head(text);
    ASSERT_FALSE(head) << testing::PrintToString(text.substr(0, 200));
    EXPECT_EQ(head.error().code(), Errc::malformed);
    EXPECT_THAT(head.error().message(), HasSubstr(std::string(because)));
}

TEST(RequestHead, ReadsWhatAptSends)
{
    const RequestHead head = must_parse(kAptRequest);
    EXPECT_EQ(head.method, "GET");
    EXPECT_EQ(head.target, "http://deb.debian.org/debian/dists/bookworm/InRelease");
    EXPECT_EQ(head.minor_version, 1);
    EXPECT_EQ(head.head_bytes, kAptRequest.size());
    EXPECT_EQ(head.headers.size(), 5U);
    EXPECT_EQ(head.header("if-modified-since"), "Sat, 10 Feb 2024 10:00:00 GMT");
    EXPECT_EQ(head.header("Range"), std::nullopt);
    EXPECT_EQ(head.body_bytes, std::nullopt);
    EXPECT_FALSE(head.is_chunked);
    EXPECT_TRUE(head.keep_alive);
}

TEST(RequestHead, WantsMoreBytesForEveryPrefixOfAGoodHead)
{
    const std::string text = "\r\n" + std::string(kAptRequest);
    for (std::size_t length = 0; length < text.size(); ++length) {
        const auto head = parse_request_head(std::string_view(text).substr(0, length));
        ASSERT_TRUE(head) << length << ": " << head.error().message();
        EXPECT_FALSE(*head) << length;
    }
    EXPECT_EQ(must_parse(text).head_bytes, text.size());
}

TEST(RequestHead, ReadsAThousandPipelinedRequestsOneByOne)
{
    std::string text;
    for (int i = 0; i < 1000; ++i)
        text += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
    std::string_view rest = text;
    for (int i = 0; i < 1000; ++i) {
        const RequestHead head = must_parse(rest);
        ASSERT_EQ(head.target, "/" + std::to_string(i));
        rest.remove_prefix(head.head_bytes);
    }
    EXPECT_TRUE(rest.empty());
}

TEST(RequestHead, LeavesTheBodyAlone)
{
    const std::string text = with_headers("Content-Length: 5\r\nExpect: 100-continue\r\n");
    const std::string with_body = text + "hello";
    const RequestHead head = must_parse(with_body);
    EXPECT_EQ(head.head_bytes, text.size());
    EXPECT_EQ(head.body_bytes, 5U);
    EXPECT_EQ(head.header("expect"), "100-continue");
}

TEST(RequestHead, KeepsOtherMethodsAndTargetsForTheCallerToJudge)
{
    for (const std::string start : {"HEAD / ", "TRACE / ", "PUT /x ", "CONNECT a:443 ",
                                    "OPTIONS * ", "get / ", "GET http://other/ "}) {
        const std::string text = start + "HTTP/1.1\r\nHost: a\r\n\r\n";
        EXPECT_EQ(must_parse(text).method, start.substr(0, start.find(' ')));
    }
}

TEST(RequestHead, TrimsBlanksAroundValuesAndAllowsObsText)
{
    const std::string text = with_headers("A: \t x y\t \r\nB:\r\nC: caf\xe9\r\nD:a\tb\r\n");
    const RequestHead head = must_parse(text);
    EXPECT_EQ(head.header("A"), "x y");
    EXPECT_EQ(head.header("b"), "");
    EXPECT_EQ(head.header("C"), "caf\xe9");
    EXPECT_EQ(head.header("D"), "a\tb");
}

TEST(RequestHead, SaysNothingOfAHeaderGivenTwice)
{
    const std::string text = with_headers("Range: bytes=0-1\r\nrange: bytes=2-3\r\n");
    EXPECT_EQ(must_parse(text).header("Range"), std::nullopt);
}

TEST(RequestHead, KeepsTheConnectionByVersionAndConnectionOptions)
{
    struct Case {
        std::string_view version, headers;
        bool keep_alive;
    };
    const Case cases[] = {
        {"HTTP/1.1", "", true},
        {"HTTP/1.1", "Connection: close\r\n", false},
        {"HTTP/1.1", "Connection: Keep-Alive, CLOSE\r\n", false},
        {"HTTP/1.1", "Connection: keep-alive\r\nConnection: ,close,\r\n", false},
        {"HTTP/1.1", "Connection: closed\r\n", true},
        {"HTTP/1.1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n", true},
        {"HTTP/1.1", "Proxy-Connection: close\r\n", true},
        {"HTTP/1.0", "", false},
        {"HTTP/1.0", "Connection: x, keep-alive\r\n", true},
        {"HTTP/1.0", "Connection: keep-alive, close\r\n", false},
        {"HTTP/1.0", "Proxy-Connection: keep-alive\r\n", false},
    };
    for (const Case& c : cases)
        EXPECT_EQ(must_parse(with_headers(c.headers, c.version)).keep_alive, c.keep_alive)
            << c.version << ' ' << c.headers;
}

TEST(RequestHead, A19_RefusesContentLengthWithTransferEncoding)
{
    expect_refused(with_headers("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), "with");
    expect_refused(with_headers("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), "with");
}

TEST(RequestHead, A19_RefusesContentLengthGivenTwiceEvenIfEqual)
{
    expect_refused(with_headers("Content-Length: 5\r\nContent-Length: 5\r\n"), "twice");
    expect_refused(with_headers("Content-Length: 5\r\ncontent-length: 6\r\n"), "twice");
    expect_refused(with_headers("Content-Length: 5, 5\r\n"), "no number");
}

TEST(RequestHead, A19_RefusesContentLengthThatIsNotDigits)
{
    for (const std::string_view value :
         {"+5", "-1", "0x5", "5_0", "", "5 0", "5,", "\"5\"", "5.0", "1e3", "18446744073709551616"})
        expect_refused(with_headers("Content-Length: " + std::string(value) + "\r\n"), "no number");
    expect_refused(with_headers("Content-Length: \v5\r\n"), "control byte");
    const std::string largest = with_headers("Content-Length: \t 18446744073709551615 \r\n");
    EXPECT_EQ(must_parse(largest).body_bytes, 18446744073709551615U);
    EXPECT_EQ(must_parse(with_headers("CONTENT-LENGTH:0\r\n")).body_bytes, 0U);
}

TEST(RequestHead, A19_RefusesAnyTransferEncodingButChunked)
{
    for (const std::string_view value :
         {"chunked, chunked", "xchunked", "identity", "gzip, chunked", "chunked;q=1", "\"chunked\"",
          "", ",chunked", "chunked,", "chunked\xa0"})
        expect_refused(with_headers("Transfer-Encoding: " + std::string(value) + "\r\n"),
                       "not chunked");
    expect_refused(with_headers("Transfer-Encoding: \vchunked\r\n"), "control byte");
    expect_refused(with_headers("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
                   "twice");
    EXPECT_TRUE(must_parse(with_headers("transfer-encoding: Chunked \r\n")).is_chunked);
}

TEST(RequestHead, A19_RefusesTransferEncodingInHttp10)
{
    expect_refused(with_headers("Transfer-Encoding: chunked\r\n", "HTTP/1.0"), "HTTP/1.0");
}

TEST(RequestHead, A19_RefusesMissingRepeatedAndInvalidHost)
{
    expect_refused("GET / HTTP/1.1\r\n\r\n", "no Host");
    expect_refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "twice");
    expect_refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "twice");
    for (const std::string host :
         {"a b", "a,b", "u@a", "a:0", "a:65536", "a:", "a:80:80", "a/b", "[::1", "[a]", "::1", ".a",
          "a..b", "caf\xc3\xa9", "http://a", "a:+80"})
        expect_refused("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n", "invalid Host");
    for (const std::string host :
         {"", "a", "a.", "A_b-1.example:8080", "192.0.2.1", "[2001:db8::1]:80"})
        must_parse("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    must_parse("GET / HTTP/1.0\r\n\r\n");
}

TEST(RequestHead, A19_RefusesBareLineFeedsAndCarriageReturns)
{
    for (const std::string text :
         {"GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\n\r\n", "\nGET / HTTP/1.1\r\n",
          "GET / HTTP/1.1\r\nHost: a\r\n\n", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
          "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
          "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", "\rGET / "})
        expect_refused(text);
}

TEST(RequestHead, A19_RefusesNulAndOtherControlBytesAnywhere)
{
    const std::string good = "GET /x HTTP/1.1\r\nHost: a\r\nAbc: def\r\n\r\n";
    for (const char bad : {'\0', '\x01', '\v', '\f', '\x1b', '\x7f', '\b'})
        for (std::size_t place = 0; place <= good.size() - 4; ++place) {
            std::string text = good;
            text.insert(place, 1, bad);
            expect_refused(text);
        }
}

TEST(RequestHead, A19_RefusesFoldedLinesAndOddHeaderNames)
{
    expect_refused(with_headers("A: b\r\n c\r\n"), "folded");
    expect_refused(with_headers("A: b\r\n\tContent-Length: 5\r\n"), "folded");
    expect_refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", "folded");
    for (const std::string_view line :
         {"Content-Length : 5", "Transfer-Encoding\t: chunked", ": x", "A b: c", "no colon",
          "(A): b", "A\xc3: b", "\"A\": b", "A[]: b"})
        expect_refused(with_headers(std::string(line) + "\r\n"), "bad header name");
}

TEST(RequestHead, A19_RefusesOtherVersionsAndOddRequestLines)
{
    for (const std::string line : {"GET /",
                                   "GET / ",
                                   "GET  / HTTP/1.1",
                                   "GET /  HTTP/1.1",
                                   "GET / HTTP/1.1 ",
                                   " GET / HTTP/1.1",
                                   "GET / HTTP/0.9",
                                   "GET / HTTP/1.2",
                                   "GET / HTTP/1.32",
                                   "GET / HTTP/2.0",
                                   "GET / http/1.1",
                                   "GET / HTTP/01.1",
                                   "GET / HTTP/1.",
                                   "GET / HTTP/1.+1",
                                   "GET / HTTPS/1.1",
                                   "GET\t/ HTTP/1.1",
                                   "G(T / HTTP/1.1",
                                   "GET /a b HTTP/1.1",
                                   "GET /\xc3\xa9 HTTP/1.1",
                                   "HTTP/1.1 200 OK",
                                   "PRI * HTTP/2.0",
                                   "SSH-2.0-OpenSSH_9.2"}) {
        expect_refused(line + "\r\nHost: a\r\n\r\n");
        expect_refused(line + "\r\n");  // without waiting for headers that may never come
    }
}

TEST(RequestHead, RefusesHopelessBeginningsWithoutWaitingForTheEnd)
{
    for (const std::string& text :
         {"\x16\x03\x01\x02"s, "{\"a\""s, "GET\0"s, "\r\n\r\n"s, "GET / HTTP/1.1\r\nA\0"s, " "s,
          "a-method-longer-than-any-other"s, "GET / HTTP/1.1\r\nHost: a\n"s, "\r\n\r"s})
        expect_refused(text);
}

TEST(RequestHead, SkipsOneEmptyLineInFrontAndNoMore)
{
    const std::string text = "\r\n" + std::string(kAptRequest);
    EXPECT_EQ(must_parse(text).head_bytes, text.size());
    expect_refused("\r\n" + text);
}

TEST(RequestHead, RefusesTooLongAndTooMany)
{
    const auto target_of = [](std::size_t bytes) {
        return "GET /" + std::string(bytes - 1, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n";
    };
    EXPECT_EQ(must_parse(target_of(kMaxTargetBytes)).target.size(), kMaxTargetBytes);
    expect_refused(target_of(kMaxTargetBytes + 1), "too long");
    expect_refused("GET /" + std::string(kMaxTargetBytes + 100, 'a'), "too long");

    std::string headers;
    for (std::size_t i = 1; i < kMaxHeaders; ++i)
        headers += "A: b\r\n";
    EXPECT_EQ(must_parse(with_headers(headers)).headers.size(), kMaxHeaders);
    expect_refused(with_headers(headers + "A: b\r\n"), "too many");
    const std::string unfinished = with_headers(headers + "A: b\r\nA: b\r\n");
    expect_refused(std::string_view(unfinished).substr(0, unfinished.size() - 2), "too many");
    std::string flood;
    for (int i = 0; i < 100'000; ++i)
        flood += "A: b\r\n";
    expect_refused(with_headers(flood), "too many");

    const std::size_t frame = with_headers("A: \r\n").size();
    const auto head_of = [frame](std::size_t bytes) {
        return with_headers("A: " + std::string(bytes - frame, 'x') + "\r\n");
    };
    EXPECT_EQ(must_parse(head_of(kMaxHeadBytes) + "next").head_bytes, kMaxHeadBytes);
    expect_refused(head_of(kMaxHeadBytes + 1), "too long");
    expect_refused(head_of(2 * kMaxHeadBytes), "too long");
}

TEST(ReasonPhrase, NamesStatusesAndSurvivesUnknownOnes)
{
    EXPECT_EQ(reason_phrase(404), "Not Found");
    EXPECT_EQ(reason_phrase(206), "Partial Content");
    EXPECT_EQ(reason_phrase(599), "Unknown");
}

}  // namespace
}  // namespace aptward::http
