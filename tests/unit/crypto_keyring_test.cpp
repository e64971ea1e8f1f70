// SPDX-License-Identifier: GPL-3.0-or-later
#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>

#include "crypto/crypto.h"
#include "test_key.h"

namespace aptward::crypto {
namespace {

using testing::HasSubstr;

const std::string kPrimary = "D597437324AF9936CD287C5C263294956C1835E3";
const std::string kSubkey = "280A53191B0A8BF77F2E1B3EE72025B638C6FFAF";

std::string number(std::size_t value, std::size_t bytes)
{
    std::string text;
    while (bytes-- > 0)
        text += static_cast<char>(value >> 8 * bytes & 0xff);
    return text;
}

std::string old_packet(unsigned tag, const std::string& body)
{
    return number(0x81U | tag << 2, 1) + number(body.size(), 2) + body;
}

std::string key_body(unsigned algorithm, const std::string& material)
{
    return "\x04" + number(1'000'000, 4) + number(algorithm, 1) + material;
}

std::string mpi(std::size_t bits)
{
    std::string value((bits + 7) / 8, '\x55');
    value.front() = static_cast<char>(1U << (bits - 1) % 8);
    return number(bits, 2) + value;
}

std::string curve(const std::string& oid)
{
    return number(oid.size(), 1) + oid + mpi(263);
}

Keyring keyring_of(const std::string& bytes)
{
    auto keyring = parse_keyring(bytes);
    EXPECT_TRUE(keyring) << keyring.error().message();
    return keyring ? *std::move(keyring) : Keyring();
}

void expect_malformed(const std::string& bytes, const std::string& because)
{
    const auto keyring = parse_keyring(bytes);
    ASSERT_FALSE(keyring) << because;
    EXPECT_EQ(keyring.error().code(), Errc::malformed);
    EXPECT_THAT(keyring.error().message(), HasSubstr(because));
}

TEST(Keyring, V15_KnowsTheFactsOfEveryKey)
{
    const Keyring keyring = keyring_of(kTestKey);
    ASSERT_EQ(keyring.keys.size(), 2U);
    const PublicKey* primary = keyring.find(kPrimary);
    ASSERT_NE(primary, nullptr);
    EXPECT_EQ(primary->primary, kPrimary);
    EXPECT_EQ(primary->algorithm, 22);
    EXPECT_EQ(primary->bits, 256);
    EXPECT_EQ(to_unix(primary->created), 1704067200);
    EXPECT_EQ(primary->user_id, "Test Archive <test@example.org>");
    const PublicKey* subkey = keyring.find(kSubkey);
    ASSERT_NE(subkey, nullptr);
    EXPECT_EQ(subkey->primary, kPrimary);
    EXPECT_EQ(subkey->algorithm, 18);
    EXPECT_EQ(subkey->user_id, primary->user_id);
    EXPECT_EQ(keyring.find("280a53191b0a8bf77f2e1b3ee72025b638c6ffaf"), subkey);
    EXPECT_EQ(keyring.find(kPrimary.substr(24)), nullptr);
    EXPECT_EQ(keyring.sha256_hex, digest_of(keyring.binary).hex());
}

TEST(Keyring, V19_ArmouredAndBinaryFormsAreTheSameKeyring)
{
    const Keyring keyring = keyring_of(kTestKey);
    EXPECT_EQ(static_cast<unsigned char>(keyring.binary.front()), 0x98);
    const Keyring again = keyring_of(keyring.binary);
    EXPECT_EQ(again.binary, keyring.binary);
    EXPECT_EQ(again.sha256_hex, keyring.sha256_hex);
}

TEST(Keyring, V19_TakesArmourAsPeopleKeepIt)
{
    const std::string text = kTestKey;
    const std::string second = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: 1\n";
    std::string crlf;
    for (const char c : text)
        crlf += c == '\n' ? "\r\n" : std::string(1, c);
    std::string without_checksum = text;
    without_checksum.erase(without_checksum.find("=Yu5C"), 6);
    std::string wrong_checksum = text;
    wrong_checksum.replace(wrong_checksum.find("=Yu5C"), 5, "=AAAA");
    for (const std::string& form : {text + "\n" + text, "From https://example.org\n" + text, crlf,
                                    without_checksum, wrong_checksum, second + text.substr(37)})
        EXPECT_EQ(keyring_of(form).binary, keyring_of(text).binary) << form;
}

TEST(Keyring, V15_KnowsTheSizeOfEveryKindOfKey)
{
    struct Case {
        unsigned algorithm;
        std::string material;
        int bits;
    };
    const Case cases[] = {
        {1, mpi(2048) + mpi(17), 2048},
        {1, mpi(1023) + mpi(17), 1023},
        {17, mpi(3072) + mpi(256), 3072},
        {19, curve("\x2a\x86\x48\xce\x3d\x03\x01\x07"), 256},
        {19, curve(std::string("\x2b\x81\x04\x00\x22", 5)), 384},
        {19, curve(std::string("\x2b\x81\x04\x00\x23", 5)), 521},
        {19, curve("\x2b\x24\x03\x03\x02\x08\x01\x01\x0d"), 512},
        {19, curve(std::string("\x2b\x81\x04\x00\x0a", 5)), 0},  // secp256k1: not in V15
        {22, curve("\x2b\x65\x71"), 448},
        {27, std::string(32, 'x'), 256},
        {99, "whatever", 0},
        // A modulus that announces more bits than it has.
        {1, number(2048, 2) + std::string(1, '\0') + std::string(255, '\xff') + mpi(17), 0},
    };
    for (const Case& test : cases) {
        const Keyring keyring = keyring_of(old_packet(6, key_body(test.algorithm, test.material)));
        ASSERT_EQ(keyring.keys.size(), 1U);
        EXPECT_EQ(keyring.keys[0].bits, test.bits) << test.algorithm;
        EXPECT_EQ(keyring.keys[0].fingerprint.size(), 40U);
    }
}

TEST(Keyring, V19_LeavesOutKeysOfOtherVersionsAndLocalPackets)
{
    const std::string good = keyring_of(kTestKey).binary;
    const std::string v3 = old_packet(6, "\x03" + std::string(20, 'x'));
    const std::string v6 = old_packet(6, "\x06" + std::string(20, 'x'));
    const std::string parts = old_packet(13, "Old <old@x>") + old_packet(2, "\x04sig") +
                              old_packet(14, key_body(27, std::string(32, 'x')));
    const std::string trust = old_packet(12, std::string(2, '\0'));
    EXPECT_EQ(keyring_of(v3 + parts + good + trust + v6 + parts).binary, good);
    expect_malformed(v3 + parts, "no key of OpenPGP version 4");
}

TEST(Keyring, A25_RefusesWhatIsNotAKeyring)
{
    const std::string good = keyring_of(kTestKey).binary;
    expect_malformed("", "empty");
    expect_malformed("<html>", "neither");
    expect_malformed(std::string("\0\0\0\x20\x01\x01\0\x02KBXf", 12) + std::string(20, '\0'),
                     "gpg --export");
    expect_malformed(good + "x", "not made of OpenPGP packets");
    expect_malformed(old_packet(13, "Nobody") + good, "does not start with a public key");
    expect_malformed(good + old_packet(5, key_body(27, "x")), "secret key");
    expect_malformed(good + old_packet(7, key_body(27, "x")), "secret key");
    expect_malformed("\x9b" + good.substr(2), "no definite length");
    expect_malformed("\xc6\xe1" + good, "no definite length");
    expect_malformed("\xc6\xff\xff\xff\xff\xff" + good, "cut off");
    expect_malformed(old_packet(6, ""), "empty");
    expect_malformed(old_packet(6, std::string("\x04\0\0", 3)), "cut off");
    expect_malformed(old_packet(6, key_body(1, number(65535, 2) + "x")), "cut off");
    expect_malformed(old_packet(6, key_body(19, "\xffxx")), "cut off");
    const std::string armoured = kTestKey;
    expect_malformed(armoured.substr(0, 300), "not closed");
    expect_malformed(armoured.substr(0, 300) + "!\n-----END PGP PUBLIC KEY BLOCK-----\n",
                     "not base64");
}

TEST(Keyring, A25_EveryCutIsRefusedOrWhole)
{
    const std::string good = keyring_of(kTestKey).binary;
    for (std::size_t size = 1; size < good.size(); ++size) {
        const std::string cut = good.substr(0, size);
        const auto keyring = parse_keyring(cut);
        EXPECT_TRUE(!keyring || keyring->binary == cut) << size;
    }
}

TEST(Keyring, V16_MergesWithoutRepeating)
{
    const Keyring one = keyring_of(kTestKey);
    const Keyring two = keyring_of(old_packet(6, key_body(1, mpi(2048) + mpi(17))));
    const Keyring both = merge_keyrings({one, two, one});
    EXPECT_EQ(both.binary, one.binary + two.binary);
    EXPECT_EQ(both.keys.size(), 3U);
    EXPECT_EQ(both.sha256_hex, digest_of(both.binary).hex());
    EXPECT_TRUE(merge_keyrings({}).keys.empty());
}

TEST(Keyring, V19_LoadsFilesAndNamesTheOneThatIsWrong)
{
    const auto directory =
        std::filesystem::temp_directory_path() / ("aptward-keyring-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory);
    std::ofstream(directory / "a.asc") << kTestKey;
    std::ofstream(directory / "b.gpg") << keyring_of(kTestKey).binary;
    std::ofstream(directory / "c.gpg") << "nonsense";
    const auto loaded = load_keyrings({directory / "a.asc", directory / "b.gpg"});
    ASSERT_TRUE(loaded) << loaded.error().message();
    EXPECT_EQ(loaded->keys.size(), 2U);
    const auto wrong = load_keyrings({directory / "a.asc", directory / "c.gpg"});
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code(), Errc::malformed);
    EXPECT_THAT(wrong.error().message(), HasSubstr("c.gpg"));
    const auto missing = load_keyrings({directory / "d.gpg"});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), Errc::not_found);
    std::filesystem::remove_all(directory);
}

// Made for this test with gpg: a primary key that only certifies, for three years; two subkeys that
// sign, for one year and for two; one that encrypts, for ever.
constexpr const char* kEnding = R"(-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEZZIAgBYJKwYBBAHaRw8BAQdAf+J50hcyENkaTMu+AcbyU1XEJfxcuR9kj9+8
SC5F/W20G0VuZHMgPGVuZHNAYXJjaGl2ZS5leGFtcGxlPoiWBBMWCAA+FiEEBDYZ
kWyfbHpWmj4tSbEy6GVuUukFAmWSAIACGwEFCQWjmoAFCwkIBwIGFQoJCAsCBBYC
AwECHgECF4AACgkQSbEy6GVuUulI0gD/YjBnVtsvGLVnjsu3U0ldJiQ53iqjbGFI
1kWXb876v4MA/1WiExhm9GmU8JVaU3BGulF6MHeuH6nS8KYFBDxdTfcIuDMEZZIA
gBYJKwYBBAHaRw8BAQdA8cyGsExvS3gt0vNiE4Yxax7dCa8z54kJIWdPe3sPCs6I
9QQYFggAJhYhBAQ2GZFsn2x6Vpo+LUmxMuhlblLpBQJlkgCAAhsCBQkB4TOAAIEJ
EEmxMuhlblLpdiAEGRYIAB0WIQRAx6Hq4LTpfblwLT4+q8aruwNqVAUCZZIAgAAK
CRA+q8aruwNqVI9dAP49LjXotbiSQlnEZtOtTc5UDRvkUFz2hA4kgcvC0AK12wEA
7m9jVQ6No6pqEVpZ5gb36UrE+6T4/Bjr1UVwufNXUALkywD8CC428c2W69XnCS+G
/yjqiZMsMj8RZV1EEKD1Rg+6HXwA/1MG0UwKEPelTldQ82v9Wxh2kKKbbnoAT011
4hd/tGwPuDMEZZNSABYJKwYBBAHaRw8BAQdA7l0XRcyfFTDFXt2uMz0ZY5uNhctj
m+7h9kJ/tF1RREeI9QQYFggAJhYhBAQ2GZFsn2x6Vpo+LUmxMuhlblLpBQJlk1IA
AhsCBQkDwmcAAIEJEEmxMuhlblLpdiAEGRYIAB0WIQSPhcoZW0shyO4kBZtAX6d3
4VlzoAUCZZNSAAAKCRBAX6d34VlzoFFQAQDzfr6P+vxS6iPAE0SjXqqROWqHZZ3g
X8gZDY9ossUomgEA2O9TIhHN2zn2YP8iCcwIRh2HtAuLIO2bWKSPneAKwg821AD/
cRvqKRhkYv8rq1B108M2B0onlQEPxKEsKIK1CexJfRgA/2gU8fp4zFWZ/48dvhDJ
vSXI1iXZZ55URxwKaMFjelMJuDgEZZSjgBIKKwYBBAGXVQEFAQEHQFq9mqMDEbtv
m/fByouktp7gvFHkBiZRGj2PMpAnXXdBAwEIB4h4BBgWCAAgFiEEBDYZkWyfbHpW
mj4tSbEy6GVuUukFAmWUo4ACGwwACgkQSbEy6GVuUumfLAEA1NuVpCM0FKUEkx8I
ogU7ifXeELIMw8+J/fp7Kc9UIUAA/2B4csHfx2sHiSN81OA0LOrfRBKbpkrDbY1Z
zuCBHbQG
=BfxW
-----END PGP PUBLIC KEY BLOCK-----
)";
// The same key a month later: the primary key ends on 2024-07-01.
constexpr const char* kShortened = R"(-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEZZIAgBYJKwYBBAHaRw8BAQdAf+J50hcyENkaTMu+AcbyU1XEJfxcuR9kj9+8
SC5F/W20G0VuZHMgPGVuZHNAYXJjaGl2ZS5leGFtcGxlPoiWBBMWCAA+AhsBBQsJ
CAcCBhUKCQgLAgQWAgMBAh4BAheAFiEEBDYZkWyfbHpWmj4tSbEy6GVuUukFAmW6
3wAFCQDwmcAACgkQSbEy6GVuUukHVQEApqinnsBYFOBhlntvd+H6TXjbwIM8cmzr
htTqz0Qb6E8A/jmVhiCLl4xmJxMBAUAFQ0aAJFdIr5zN0qZRv5Cu6m8GuDMEZZIA
gBYJKwYBBAHaRw8BAQdA8cyGsExvS3gt0vNiE4Yxax7dCa8z54kJIWdPe3sPCs6I
9QQYFggAJhYhBAQ2GZFsn2x6Vpo+LUmxMuhlblLpBQJlkgCAAhsCBQkB4TOAAIEJ
EEmxMuhlblLpdiAEGRYIAB0WIQRAx6Hq4LTpfblwLT4+q8aruwNqVAUCZZIAgAAK
CRA+q8aruwNqVI9dAP49LjXotbiSQlnEZtOtTc5UDRvkUFz2hA4kgcvC0AK12wEA
7m9jVQ6No6pqEVpZ5gb36UrE+6T4/Bjr1UVwufNXUALkywD8CC428c2W69XnCS+G
/yjqiZMsMj8RZV1EEKD1Rg+6HXwA/1MG0UwKEPelTldQ82v9Wxh2kKKbbnoAT011
4hd/tGwPuDMEZZNSABYJKwYBBAHaRw8BAQdA7l0XRcyfFTDFXt2uMz0ZY5uNhctj
m+7h9kJ/tF1RREeI9QQYFggAJhYhBAQ2GZFsn2x6Vpo+LUmxMuhlblLpBQJlk1IA
AhsCBQkDwmcAAIEJEEmxMuhlblLpdiAEGRYIAB0WIQSPhcoZW0shyO4kBZtAX6d3
4VlzoAUCZZNSAAAKCRBAX6d34VlzoFFQAQDzfr6P+vxS6iPAE0SjXqqROWqHZZ3g
X8gZDY9ossUomgEA2O9TIhHN2zn2YP8iCcwIRh2HtAuLIO2bWKSPneAKwg821AD/
cRvqKRhkYv8rq1B108M2B0onlQEPxKEsKIK1CexJfRgA/2gU8fp4zFWZ/48dvhDJ
vSXI1iXZZ55URxwKaMFjelMJuDgEZZSjgBIKKwYBBAGXVQEFAQEHQFq9mqMDEbtv
m/fByouktp7gvFHkBiZRGj2PMpAnXXdBAwEIB4h4BBgWCAAgFiEEBDYZkWyfbHpW
mj4tSbEy6GVuUukFAmWUo4ACGwwACgkQSbEy6GVuUumfLAEA1NuVpCM0FKUEkx8I
ogU7ifXeELIMw8+J/fp7Kc9UIUAA/2B4csHfx2sHiSN81OA0LOrfRBKbpkrDbY1Z
zuCBHbQG
=1+D6
-----END PGP PUBLIC KEY BLOCK-----
)";
const std::string kEndingPrimary = "043619916C9F6C7A569A3E2D49B132E8656E52E9";

TEST(Keyring, SaysWhenAKeyCanSignNoLonger)
{
    const Keyring ending = keyring_of(kEnding), shortened = keyring_of(kShortened);
    const PublicKey* primary = ending.find(kEndingPrimary);
    ASSERT_NE(primary, nullptr);
    EXPECT_EQ(primary->expires, from_unix(1'798'675'200));
    EXPECT_FALSE(primary->may_sign);
    EXPECT_EQ(signing_ends(ending, kEndingPrimary), from_unix(1'767'225'600));
    EXPECT_EQ(signing_ends(shortened, kEndingPrimary), from_unix(1'719'835'200));
    EXPECT_FALSE(signing_ends(keyring_of(kTestKey), kPrimary));
    EXPECT_FALSE(signing_ends(ending, kPrimary));
}

TEST(Keyring, TheNewerStateOfAKeySaysWhenItEnds)
{
    const Keyring ending = keyring_of(kEnding), shortened = keyring_of(kShortened);
    for (const Keyring& both :
         {merge_keyrings({ending, shortened}), merge_keyrings({shortened, ending})}) {
        EXPECT_EQ(both.keys.size(), 4U);
        EXPECT_EQ(signing_ends(both, kEndingPrimary), from_unix(1'719'835'200));
    }
}

TEST(Keyring, OnlyTheKeysOwnSignaturesSayWhenItEnds)
{
    const Keyring ending = keyring_of(kEnding);
    // Every issuer becomes somebody else.
    const std::string id = "\x49\xb1\x32\xe8\x65\x6e\x52\xe9";
    std::string bytes = ending.binary;
    for (std::size_t at = bytes.find(id); at != bytes.npos; at = bytes.find(id))
        bytes[at] = '\x50';
    EXPECT_FALSE(signing_ends(keyring_of(bytes), kEndingPrimary));
}

}  // namespace
}  // namespace aptward::crypto
