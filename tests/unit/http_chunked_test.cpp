// SPDX-License-Identifier: GPL-3.0-or-later
// The chunked coding of request bodies: one reading or a refusal (request smuggling lives here).
#include "http/chunked.h"

#include <gmock/gmock.h>

#include <string>

namespace aptward::http {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

struct Decoded {
    bool is_fine = false, is_over = false;
    std::string body, rest, why;
};

// Feeds `step` bytes at a time, as a network may.
Decoded decode(std::string_view bytes, std::size_t step = 1'000'000, std::size_t at_most = 1 << 20)
{
    ChunkedDecoder decoder;
    Decoded decoded;
    decoded.is_fine = true;
    std::string waiting;
    while (decoded.is_fine && !decoder.is_over() && (!bytes.empty() || !waiting.empty())) {
        waiting.append(bytes.substr(0, step));
        bytes.remove_prefix(std::min(step, bytes.size()));
        std::string_view input = waiting;
        const auto done = decoder.decode(input, decoded.body, at_most);
        if (!done)
            decoded.why = done.error().message();
        decoded.is_fine = done.has_value();
        const bool is_stuck = bytes.empty() && input.size() == waiting.size();
        waiting = std::string(input);
        if (is_stuck)
            break;
    }
    decoded.is_over = decoder.is_over();
    decoded.rest = waiting + std::string(bytes);
    return decoded;
}

TEST(ChunkedDecoder, ReadsChunksExtensionsAndTrailersHoweverTheyArrive)
{
    const std::string text =
        "5\r\nhello\r\n1;a=b ; c=\"q\\\"uo\t;ted\"\r\n \r\nA\r\n0123456789\r\n0000\r\nX-Sum: "
        "1\r\n\r\nGET";
    for (const std::size_t step : {1U, 2U, 3U, 7U, 1000U}) {
        const Decoded decoded = decode(text, step);
        EXPECT_TRUE(decoded.is_fine && decoded.is_over) << decoded.why;
        EXPECT_EQ(decoded.body, "hello 0123456789");
        EXPECT_EQ(decoded.rest, "GET") << "the next request is left alone";
    }
}

TEST(ChunkedDecoder, StopsAtTheLimitAndGoesOn)
{
    ChunkedDecoder decoder;
    std::string_view input = "6\r\nabcdef\r\n0\r\n\r\n";
    std::string body;
    ASSERT_TRUE(decoder.decode(input, body, 4));
    EXPECT_EQ(body, "abcd");
    EXPECT_FALSE(decoder.is_over());
    ASSERT_TRUE(decoder.decode(input, body, 4));
    EXPECT_EQ(body, "abcdef");
    EXPECT_TRUE(decoder.is_over());
    EXPECT_TRUE(input.empty());
}

TEST(ChunkedDecoder, RefusesWhatTwoParsersReadDifferently)
{
    const std::string cases[] = {
        "5\nhello\r\n0\r\n\r\n",                   // bare LF after the size
        "5\r\nhello\n0\r\n\r\n",                   // bare LF after the chunk
        "5\r\nhelloX\r\n0\r\n\r\n",                // longer than announced
        "5\r\nhello0\r\n\r\n",                     // nothing between chunks
        "\r\nhello\r\n",                           // no size
        " 5\r\nhello\r\n",                         // blank before
        "5 \r\nhello\r\n",                         // blank behind
        "+5\r\nhello\r\n",                         // sign
        "0x5\r\nhello\r\n",                        // prefix
        "-1\r\n",                                  // negative
        "g\r\n",                                   // no digit
        "10000000000000000\r\n",                   // overflows 64 bits
        "1000000000000000\r\n",                    // nearly
        "5;\r\nhello\r\n",                         // extension without name
        "5;a=\r\nhello\r\n",                       // extension without value
        "5;a=\"b\r\nhello\r\n",                    // quote left open
        "5;a\rb\r\nhello\r\n",                     // bare CR in an extension
        "5;a\nb\r\nhello\r\n",                     // LF in an extension
        "5 a\r\nhello\r\n",                        // words behind the size
        "5;a="s + std::string(300, 'a') + "\r\n",  // over-long extension
        "0\r\nno colon\r\n\r\n",                   // malformed trailer
        "0\r\n folded: 1\r\n\r\n",                 // folded trailer
        "0\r\na : 1\r\n\r\n",                      // blank before the colon
        "0\r\na: \0\r\n\r\n"s,                     // NUL in a trailer
        "0\r\n\n",                                 // bare LF at the end
    };
    for (const std::string& text : cases)
        for (const std::size_t step : {1U, 1000U}) {
            const Decoded decoded = decode(text, step);
            EXPECT_FALSE(decoded.is_fine) << testing::PrintToString(text);
        }
}

TEST(ChunkedDecoder, TakesPaddedSizesOfOldServersOnly)
{
    for (const auto padding : {ChunkedDecoder::Padding::refused, ChunkedDecoder::Padding::taken}) {
        ChunkedDecoder decoder(padding);
        std::string_view input = "5  \r\nhello\r\n0 \t\r\n\r\n";
        std::string body;
        const bool is_taken = decoder.decode(input, body, 100).has_value() && decoder.is_over();
        EXPECT_EQ(is_taken, padding == ChunkedDecoder::Padding::taken);
        EXPECT_EQ(body, is_taken ? "hello" : "");
    }
}

TEST(ChunkedDecoder, BoundsTheTrailers)
{
    std::string text = "0\r\n";
    for (int i = 0; i < 1000; ++i)
        text += "a: 1\r\n";
    const Decoded decoded = decode(text + "\r\n");
    EXPECT_FALSE(decoded.is_fine);
    EXPECT_THAT(decoded.why, HasSubstr("too long"));
}

TEST(ChunkedDecoder, WaitsForTheRest)
{
    const std::string text = "5\r\nhello\r\n0\r\n\r\n";
    for (std::size_t size = 0; size < text.size(); ++size) {
        const Decoded decoded = decode(text.substr(0, size));
        EXPECT_TRUE(decoded.is_fine);
        EXPECT_FALSE(decoded.is_over) << size;
    }
}

}  // namespace
}  // namespace aptward::http
