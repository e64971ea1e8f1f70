// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/file.h"
#include "code_of.h"
#include "crypto/crypto.h"
#include "tlog/identity.h"
#include "tlog/note.h"

namespace aptward::tlog {
namespace {

SignerKey signer(const std::string& name = "node.example", std::uint8_t first = 1)
{
    crypto::Ed25519Key seed{};
    seed[0] = first;
    return SignerKey(name, seed);
}

// RFC 8032 7.1, test 2.
TEST(Ed25519, AgreesWithTheStandard)
{
    const auto hex = [](const char* text) {
        const auto digest = parse_digest(text, 0);
        return *crypto::ed25519_key(std::string(digest->hash.begin(), digest->hash.begin() + 32));
    };
    const auto seed = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    EXPECT_EQ(crypto::ed25519_public(seed),
              hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"));
    const std::string signature = crypto::sign_ed25519(seed, "\x72");
    const std::vector<std::uint8_t> bytes(signature.begin(), signature.end());
    EXPECT_EQ(to_hex(bytes.data(), bytes.size()),
              "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
              "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    EXPECT_TRUE(crypto::verify_ed25519(crypto::ed25519_public(seed), "\x72", signature));
    EXPECT_FALSE(crypto::verify_ed25519(crypto::ed25519_public(seed), "\x73", signature));
    EXPECT_FALSE(crypto::verify_ed25519(crypto::ed25519_public(seed), "\x72", "short"));
}

TEST(Base64, EncodesAsItDecodes)
{
    for (const std::string bytes : {"f", "fo", "foo", "foob", "\xff\xfe\xfd"})
        EXPECT_EQ(crypto::decode_base64(crypto::encode_base64(bytes)), bytes);
    EXPECT_EQ(crypto::encode_base64("fo"), "Zm8=");  // RFC 4648 10
    EXPECT_EQ(crypto::encode_base64(""), "");
}

TEST(Note, IsReadAsItIsWritten)
{
    const Note note = signer().sign("one\n\nthree\n");
    const auto again = parse_note(to_string(note));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->text, "one\n\nthree\n");
    EXPECT_EQ(to_string(*again), to_string(note));
    const auto signers = verify(*again, {signer("other.example").verifier(), signer().verifier()});
    ASSERT_TRUE(signers);
    EXPECT_EQ(signers->front(), signer().verifier());
}

TEST(Note, AKnownSignatureThatIsWrongSpoilsIt)
{
    Note note = signer().sign("one\n");
    note.text = "two\n";
    EXPECT_EQ(code_of(verify(note, {signer().verifier()})), Errc::untrusted);
    // One by a key that nobody knows proves nothing and harms nothing.
    EXPECT_EQ(code_of(verify(note, {signer("node.example", 2).verifier()})), Errc::untrusted);
    Note twice = signer().sign("one\n");
    twice.signatures.push_back({"stranger.example", 7, "nonsense"});
    EXPECT_TRUE(verify(twice, {signer().verifier()}));
}

TEST(Note, OtherFormsAreRefused)
{
    const std::string good = to_string(signer().sign("one\n"));
    ASSERT_TRUE(parse_note(good));
    const std::string line = good.substr(good.rfind("\xe2\x80\x94"));
    std::string many = "one\n\n";
    for (std::size_t i = 0; i <= kMostNoteSignatures; ++i)
        many += line;
    const std::vector<std::string> all_bad = {std::string(),
                                              std::string("one\n"),
                                              std::string("one\n\n"),
                                              good + "\n",
                                              good + "x\n",
                                              good.substr(0, good.size() - 1),
                                              "a\tb" + good,
                                              "a\x80" + good,
                                              many,
                                              "one\n\n- node.example AAAAAAAA\n",
                                              "one\n\n\xe2\x80\x94 node.example AAAA\n",
                                              "one\n\n\xe2\x80\x94 no+de AAAAAAAA\n",
                                              "one\n\n\xe2\x80\x94 node.example\n",
                                              std::string(kMaxNoteBytes, 'x') + good};
    for (const std::string& bad : all_bad)
        EXPECT_EQ(code_of(parse_note(bad)), Errc::malformed) << bad.substr(0, 80);
}

TEST(Note, KeysAreReadAsTheyAreWritten)
{
    const auto verifier = VerifierKey::parse(signer().verifier().to_string());
    ASSERT_TRUE(verifier);
    EXPECT_EQ(*verifier, signer().verifier());
    const auto secret = SignerKey::parse(signer().to_string());
    ASSERT_TRUE(secret);
    EXPECT_EQ(secret->verifier(), signer().verifier());
    std::string other = signer().verifier().to_string();
    other[other.find('+') + 1] ^= 1;
    for (const std::string& bad :
         {std::string(), std::string("a"), std::string("a+b"), other, "+" + other,
          std::string("a+00000000+"), std::string("a+00000000+AAAA"), signer().to_string()})
        EXPECT_EQ(code_of(VerifierKey::parse(bad)), Errc::malformed) << bad;
    EXPECT_FALSE(SignerKey::parse(signer().verifier().to_string()));
}

// The example of the specification, where the file lies beside the project.
TEST(Note, AgreesWithTheExampleOfTheSpecification)
{
    const char* folder = std::getenv("APTWARD_VECTORS");
    const auto file = std::filesystem::path(folder != nullptr ? folder : ".") / "note.txt";
    if (!std::filesystem::exists(file))
        GTEST_SKIP() << "the public vectors do not lie beside the project";
    const auto bytes = read_file(file, kMaxNoteBytes);
    ASSERT_TRUE(bytes) << bytes.error().message();
    const auto key =
        VerifierKey::parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
    ASSERT_TRUE(key) << key.error().message();
    const auto note = parse_note(*bytes);
    ASSERT_TRUE(note) << note.error().message();
    EXPECT_TRUE(verify(*note, {*key}));
    EXPECT_EQ(to_string(*note), *bytes);
}

TEST(Identity, IsMadeOnceAndIsSecret)
{
    const auto folder =
        std::filesystem::temp_directory_path() / ("aptward-identity-" + crypto::random_hex(8));
    std::filesystem::create_directories(folder);
    const auto first = load_identity(folder);
    ASSERT_TRUE(first) << first.error().message();
    const auto second = load_identity(folder);
    ASSERT_TRUE(second);
    EXPECT_EQ(first->verifier(), second->verifier());
    struct ::stat status{};
    ASSERT_EQ(::stat((folder / "identity").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
    std::filesystem::resize_file(folder / "identity", 20);
    EXPECT_EQ(code_of(load_identity(folder)), Errc::malformed);
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace aptward::tlog
