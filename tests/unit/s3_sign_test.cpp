// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/sign.h"

#include <gmock/gmock.h>

#include "crypto/crypto.h"

namespace aptward::s3 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The signature is what Python's hmac makes of the same request by the specification.
TEST(Sign, SignsWhatIsSent)
{
    const Credentials credentials{"ACCESSOFTESTS", "secret/of+tests"};
    const SystemTime now = from_unix(1'700'000'000);  // 2023-11-14 22:13:20
    const auto lines =
        sign({"GET", "http://s3.example:9000/bucket/sha256/ab/cd%20e", sha256_of_nothing()},
             credentials, "us-east-1", now);
    EXPECT_THAT(lines,
                ElementsAre("x-amz-content-sha256: "
                            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                            "x-amz-date: 20231114T221320Z",
                            "Authorization: AWS4-HMAC-SHA256 "
                            "Credential=ACCESSOFTESTS/20231114/us-east-1/s3/aws4_request, "
                            "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
                            "0dd578445e1703a6c9e0da3d1adb508055b37c0fc0687c4ec7ca572bcacaf762"));
}

TEST(Sign, TheUsualPortIsNotPartOfTheHost)
{
    const Credentials credentials{"A", "B"};
    const auto signed_for = [&](std::string_view url) {
        return sign({"GET", url, sha256_of_nothing()}, credentials, "r", from_unix(0)).back();
    };
    EXPECT_EQ(signed_for("http://h:80/b"), signed_for("http://h/b"));
    EXPECT_EQ(signed_for("https://h:443/b"), signed_for("http://h/b"));
    EXPECT_NE(signed_for("https://h:80/b"), signed_for("http://h/b"));
    EXPECT_NE(signed_for("http://h:8080/b"), signed_for("http://h/b"));
}

// As above.
TEST(Sign, SignsAListOfObjects)
{
    const Credentials credentials{"ACCESSOFTESTS", "secret/of+tests"};
    const auto with =
        sign({"GET", "http://s3.example:9000/bucket?list-type=2&prefix=a%2Fb", sha256_of_nothing()},
             credentials, "us-east-1", from_unix(1'700'000'000));
    EXPECT_THAT(
        with.back(),
        HasSubstr("Signature=2b014a80a84740c7dbc54de320cece60c70140c5e6e93bd7de54c310bd4fb185"));
    EXPECT_EQ(encode_value("a/b c"), "a%2Fb%20c");
}

TEST(Sign, WhatIsSignedCounts)
{
    const Credentials credentials{"A", "B"};
    const auto usual =
        sign({"GET", "http://h/b", sha256_of_nothing()}, credentials, "r", from_unix(0)).back();
    const std::string other = crypto::digest_of("x").hex();
    EXPECT_NE(
        sign({"PUT", "http://h/b", sha256_of_nothing()}, credentials, "r", from_unix(0)).back(),
        usual);
    EXPECT_NE(
        sign({"GET", "http://h/c", sha256_of_nothing()}, credentials, "r", from_unix(0)).back(),
        usual);
    EXPECT_NE(sign({"GET", "http://h/b", other}, credentials, "r", from_unix(0)).back(), usual);
    EXPECT_NE(
        sign({"GET", "http://h/b", sha256_of_nothing()}, credentials, "s", from_unix(0)).back(),
        usual);
    EXPECT_NE(
        sign({"GET", "http://h/b", sha256_of_nothing()}, credentials, "r", from_unix(60)).back(),
        usual);
    EXPECT_NE(
        sign({"GET", "http://h/b", sha256_of_nothing()}, {"A", "C"}, "r", from_unix(0)).back(),
        usual);
}

TEST(Sign, NamesObjects)
{
    const Digest digest = crypto::digest_of("");
    EXPECT_EQ(key_of_blob(digest), "sha256/e3/" + digest.hex());
    EXPECT_EQ(encode_key("a/B-._~9"), "a/B-._~9");
    EXPECT_EQ(encode_key("a b+%&=\xc3\xa4"), "a%20b%2B%25%26%3D%C3%A4");
}

TEST(Credentials, ReadsTwoLines)
{
    const auto read = read_credentials("ACCESS\nsecret/+=\n");
    ASSERT_TRUE(read);
    EXPECT_EQ(read->access_key, "ACCESS");
    EXPECT_EQ(read->secret_key, "secret/+=");
    EXPECT_TRUE(read_credentials(" ACCESS \r\n secret"));
}

TEST(Credentials, RefusesAllElseWithoutRepeatingIt)
{
    for (const char* text :
         {"", "\n", "ACCESS", "ACCESS\n", "\nsecret", "ACCESS\nsecret\nmore", "A CCESS\nsecret",
          "ACCESS\nsec ret", "AC/CESS\nsecret", "ACCESS\nsecr\x01t"}) {
        const auto read = read_credentials(text);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().code(), Errc::malformed);
        EXPECT_THAT(read.error().message(), testing::Not(HasSubstr("ecr\x01t")));
    }
    EXPECT_FALSE(read_credentials(std::string(300, 'A') + "\nsecret"));
    EXPECT_FALSE(read_credentials(std::string("AC\0CESS\nsecret", 14)));
}

}  // namespace
}  // namespace aptward::s3
