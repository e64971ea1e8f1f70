// SPDX-License-Identifier: GPL-3.0-or-later
#include <gmock/gmock.h>

#include "crypto/crypto.h"

namespace aptward::crypto {
namespace {

using testing::HasSubstr;

// The smallest thing that is a signature packet in shape: the splitter asks for no more.
const std::string kBlock =
    "-----BEGIN PGP SIGNATURE-----\n\niAEE\n=abcd\n-----END PGP SIGNATURE-----\n";
const std::string kHead = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n";
const std::string kGood = kHead + "Origin: x\nSuite: y\n" + kBlock;

std::string replaced(std::string text, const std::string& from, const std::string& to)
{
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
}

std::string block_with(const std::string& inside)
{
    return "-----BEGIN PGP SIGNATURE-----\n" + inside + "-----END PGP SIGNATURE-----\n";
}

void expect_refused(const std::string& bytes, const std::string& because)
{
    const auto split = split_clearsigned(bytes);
    ASSERT_FALSE(split) << because;
    EXPECT_EQ(split.error().code(), Errc::malformed);
    EXPECT_THAT(split.error().message(), HasSubstr(because));
}

void expect_text(const std::string& bytes, const std::string& text)
{
    const auto split = split_clearsigned(bytes);
    ASSERT_TRUE(split) << split.error().message();
    EXPECT_EQ(split->text, text);
}

TEST(Clearsign, V4_JoinsTheTextByLfWithoutOneAtTheEnd)
{
    const auto split = split_clearsigned(kGood);
    ASSERT_TRUE(split);
    EXPECT_EQ(split->text, "Origin: x\nSuite: y");
    EXPECT_EQ(split->signatures, kBlock);
    expect_text(kHead + kBlock, "");
    expect_text(kHead + "\n\na\n\n" + kBlock, "\n\na\n");
    expect_text(kGood.substr(0, kGood.size() - 1), "Origin: x\nSuite: y");
}

TEST(Clearsign, V1_RefusesMoreThanTenMillionBytes)
{
    const std::string line = std::string(9'999, 'x') + "\n";
    std::string body;
    while (body.size() < kMaxReleaseBytes)
        body += line;
    expect_refused(kHead + body + kBlock, "larger than 10000000 bytes");
}

TEST(Clearsign, V2_RefusesEveryOtherFirstLine)
{
    for (const std::string& bytes :
         {std::string(), std::string("<html><body>Log in</body></html>\n"), "\n" + kGood,
          "Origin: evil\n" + kGood, " " + kGood, "\xef\xbb\xbf" + kGood,
          replaced(kGood, "MESSAGE-----", "MESSAGE----"),
          replaced(kGood, "MESSAGE-----", "MESSAGE-----x"), std::string("Origin: x\n")})
        expect_refused(bytes, "not a signed message");
    expect_text(replaced(kGood, "MESSAGE-----", "MESSAGE----- \t\r"), "Origin: x\nSuite: y");
}

TEST(Clearsign, V3_TakesOnlyKnownHashHeaders)
{
    for (const char* good : {"Hash: SHA512\n", "Hash: SHA256,SHA512\n", "Hash: SHA1, SHA384\n",
                             "Hash: SHA256\nHash: SHA512\n", "", "Hash: SHA256 \r\n"})
        expect_text(replaced(kGood, "Hash: SHA256\n", good), "Origin: x\nSuite: y");
    for (const char* evil :
         {"Evil: yes\n", "Hash: SHA999\n", "Hash:SHA256\n", "hash: SHA256\n", "Hash: \n",
          "Hash: SHA256,\n", "Hash: SHA256\nOrigin: evil\n", "Version: 1\n", "-\n", "- x\n",
          "-----BEGIN PGP SIGNED MESSAGE-----\n", "-----BEGIN PGP SIGNATURE-----\n"})
        expect_refused(replaced(kGood, "Hash: SHA256\n", evil), "armour header");
    expect_refused("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n", "ends in its header");
}

TEST(Clearsign, V4_UndoesDashEscapesAndRefusesBareDashes)
{
    expect_text(kHead + "- -----BEGIN PGP SIGNATURE-----\n- - x\n- y\n" + kBlock,
                "-----BEGIN PGP SIGNATURE-----\n- x\ny");
    for (const char* evil : {"-\n", "- \n", "-x\n", "--\n", "-----BEGIN PGP SIGNED MESSAGE-----\n",
                             "-----END PGP SIGNATURE-----\n", "-----BEGIN PGP SIGNATURE----\n"})
        expect_refused(replaced(kGood, "Suite: y\n", evil), "dash that is not escaped");
}

TEST(Clearsign, V4_LeavesOutTrailingBlanks)
{
    std::string crlf;
    for (const char c : kGood)
        crlf += c == '\n' ? "\r\n" : std::string(1, c);
    expect_text(crlf, "Origin: x\nSuite: y");
    expect_text(replaced(kGood, "Origin: x\n", "Origin: x \t \r\n"), "Origin: x\nSuite: y");
}

TEST(Clearsign, V5_RefusesTextAfterTheSignature)
{
    for (const std::string& after : {std::string("\n"), std::string("x\n"), std::string(" \n"),
                                     std::string("\r"), std::string("Package: evil"), "\n" + kBlock,
                                     kGood, std::string("-----END PGP SIGNATURE-----\n")})
        expect_refused(kGood + after, "text after the signature");
}

TEST(Clearsign, V5_TakesSixteenSignatureBlocksAndNoMore)
{
    std::string bytes = kGood;
    for (int i = 1; i < 16; ++i)
        bytes += kBlock;
    ASSERT_TRUE(split_clearsigned(bytes));
    EXPECT_EQ(split_clearsigned(bytes)->signatures.size(), 16 * kBlock.size());
    expect_refused(bytes + kBlock, "more than 16 signature blocks");
}

TEST(Clearsign, V5_RefusesMoreSignaturesThanAnEngineShouldWorkThrough)
{
    std::string base64;
    for (int i = 0; i < 64; ++i)
        base64 += "iAEE\n";
    expect_text(kHead + "x\n" + block_with("\n" + base64), "x");
    expect_refused(kHead + "x\n" + block_with("\n" + base64 + "iAEE\n"), "more than 64 signatures");
}

TEST(Clearsign, V6_TakesOnlyArmourInsideASignature)
{
    for (const char* good :
         {"\niAEE\n", "Version: GnuPG v1\n\niAEE\n=abcd\n", "Comment: a\nComment:\n\niA\nEE\n"})
        expect_text(kHead + "x\n" + block_with(good), "x");
    for (const char* evil :
         {"\ngarbage here\niAEE\n", "\niAEE\n=abcd\nx\n", "\niAEE\n\n", "iAEE\n",
          "Evil: x\n\niAEE\n", "\niAEE\n- x\n", "\niAEE\n-----BEGIN PGP SIGNATURE-----\n",
          "\niAE\n", "\n\niAEE\n", "\n", "\n=abcd\n", "\niAEE=\n", "\nqQEE\n", "\niAIE\n",
          "\nAAAA\n", "\niAEE\n=abcd\n=abcd\n"})
        expect_refused(kHead + "x\n" + block_with(evil), "signature block");
}

TEST(Clearsign, V6_RefusesASignatureThatIsNotClosed)
{
    for (std::size_t size = kGood.size() - 2; size > kGood.find("-----BEGIN PGP SIGNATURE"); --size)
        EXPECT_FALSE(split_clearsigned(kGood.substr(0, size))) << size;
    expect_refused(kHead + "x\n", "has no signature");
}

TEST(Clearsign, V7_RefusesNulBytesAndOverlongLines)
{
    expect_refused(replaced(kGood, "Suite: y", std::string("Suite\0: y", 9)), "NUL");
    expect_text(replaced(kGood, "Suite: y", std::string(16'384, 'y')),
                "Origin: x\n" + std::string(16'384, 'y'));
    expect_refused(replaced(kGood, "Suite: y", std::string(16'385, 'y')), "line of more than");
    expect_refused(replaced(kGood, "Suite: y", "Suite: y" + std::string(70'000, ' ')),
                   "line of more than");
    expect_refused(replaced(kGood, "Suite: y", "Suite: y\rEvil: z"), "carriage return");
}

TEST(Detached, V9_TakesTheTextAsItIsWithItsBlocks)
{
    const auto joined = join_detached("Origin: x \nSuite: y\n", kBlock + kBlock);
    ASSERT_TRUE(joined) << joined.error().message();
    EXPECT_EQ(joined->text, "Origin: x \nSuite: y\n");
    EXPECT_EQ(joined->signatures, kBlock + kBlock);
}

TEST(Detached, V9_RefusesAnythingButArmouredSignatures)
{
    for (const std::string& evil :
         {std::string(), std::string("\x88\x01\x04", 3), "\n" + kBlock, kBlock + "\n",
          kBlock + "201 URI Done\n" + kBlock, "Payload\n" + kBlock, kGood,
          std::string("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\niAEE\n"), block_with("\nqQEE\n"),
          replaced(kBlock, "-----BEGIN PGP SIGNATURE-----", "Payload")}) {
        const auto joined = join_detached("Origin: x\n", evil);
        ASSERT_FALSE(joined) << evil;
        EXPECT_EQ(joined.error().code(), Errc::malformed);
        EXPECT_THAT(joined.error().message(), HasSubstr("Release.gpg"));
    }
}

TEST(Detached, V7_RefusesNulBytesAndOverlongLinesInTheText)
{
    EXPECT_FALSE(join_detached(std::string("a\0b", 3), kBlock));
    EXPECT_FALSE(join_detached(std::string(16'385, 'a'), kBlock));
    EXPECT_FALSE(join_detached("a\rb\n", kBlock));
    EXPECT_FALSE(join_detached(std::string(kMaxReleaseBytes + 1, '\n'), kBlock));
    EXPECT_TRUE(join_detached("a\r\nb\r\n", kBlock));
    EXPECT_TRUE(join_file(std::string("a\0b\r", 4), kBlock)) << "a tarball holds any bytes";
    EXPECT_FALSE(join_file("a", "x" + kBlock));
    EXPECT_FALSE(join_file("a", ""));
}

// V8: whatever is put around, between or into the parts of a signed message, either the file is
// refused or the text that comes out is the signed one: nothing else ever reaches a parser.
TEST(Clearsign, V8_NothingOutsideTheSignedTextComesOut)
{
    const std::string signed_text = "Origin: x\nSuite: y";
    const std::vector<std::string> strange = {
        "Suite: evil\n",
        "\nSuite: evil\n\n",
        "Comment: Suite: evil\n",
        "Hash: SHA512\n",
        "Hash: SHA512\n\nSuite: evil\n",
        "- Suite: evil\n",
        kHead,
        kBlock,
        kHead + "Suite: evil\n" + kBlock,
        block_with("Suite: evil\n\niAEE\n"),
        block_with("Comment: evil\n\niAEE\n"),
        "-----END PGP SIGNATURE-----\n",
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
        "\r\n",
    };
    std::size_t accepted = 0;
    for (const std::string& piece : strange)
        for (std::size_t at = 0; at <= kGood.size(); ++at) {
            const bool is_inside = at > kHead.size() && at < kHead.size() + signed_text.size() + 1;
            if (is_inside || (at > 0 && kGood[at - 1] != '\n'))
                continue;
            const std::string bytes = kGood.substr(0, at) + piece + kGood.substr(at);
            const auto split = split_clearsigned(bytes);
            // Directly at the text, and where an empty line ends the header early, the piece
            // becomes part of what the signature is checked over.
            const bool has_empty_line =
                piece == "\r\n" || piece.front() == '\n' || piece.find("\n\n") != piece.npos;
            const bool is_at_text = (at <= kHead.size() && has_empty_line) || at == kHead.size() ||
                                    at == kHead.size() + signed_text.size() + 1;
            if (!split || is_at_text)
                continue;
            ++accepted;
            EXPECT_EQ(split->text, signed_text) << bytes;
            EXPECT_EQ(split->signatures.find("evil"), std::string::npos) << bytes;
        }
    EXPECT_GT(accepted, 0U);  // such as another block behind the first
}

}  // namespace
}  // namespace aptward::crypto
