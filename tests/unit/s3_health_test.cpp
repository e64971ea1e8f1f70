// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/health.h"

#include <gmock/gmock.h>

#include "s3/service_error.h"

namespace aptward::s3 {
namespace {

using testing::HasSubstr;

std::string error_of(const std::string& code, const std::string& message = "")
{
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>" + code + "</Code><Message>" +
           message + "</Message><HostId>x</HostId></Error>";
}

Answer answer_of(int status, std::string body = "")
{
    Answer answer;
    answer.status = status;
    answer.body = std::move(body);
    return answer;
}

TEST(ServiceError, ReadsWhatServicesSay)
{
    const auto read = read_service_error(
        "<?xml version=\"1.0\"?>\n<Error xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<Code>NoSuchKey</Code>\n <Message>&lt;a&gt; &amp; &quot;b&apos; &#65;\x07</Message>"
        "<Resource/><BucketName>b</BucketName></Error>\n");
    ASSERT_TRUE(read);
    EXPECT_EQ(read->code, "NoSuchKey");
    EXPECT_EQ(read->message, "<a> & \"b' ?\\x07");
    const auto bare = read_service_error("<Error><Code>AccessDenied</Code></Error>");
    ASSERT_TRUE(bare);
    EXPECT_EQ(bare->message, "");
}

TEST(ServiceError, A4_ReadsNothingElse)
{
    for (const char* xml : {"",
                            "<",
                            "<Error>",
                            "<Error></Error>",
                            "<Error/>",
                            "<Errors><Code>A</Code></Errors>",
                            "<html><body>Please log in</body></html>",
                            "<Error><Code>A</Code>",
                            "<Error><Code>A</Error>",
                            "<Error><Code>A</Message></Error>",
                            "<Error><Code>A</Code></Error>more",
                            "text<Error><Code>A</Code></Error>",
                            "<Error><Code>A</Code><Code>B</Code></Error>",
                            "<Error><Code>A B</Code></Error>",
                            "<Error><Code></Code></Error>",
                            "<Error><Code><x>A</x></Code></Error>",
                            "<Error><Code>&lol;</Code></Error>",
                            "<Error><Code>A</Code><Message>&lol;</Message></Error>",
                            "<Error><Code>A</Code><Message>&</Message></Error>",
                            "<!DOCTYPE Error [<!ENTITY lol \"lol\">]><Error><Code>A</Code></Error>",
                            "<Error><!-- x --><Code>A</Code></Error>",
                            "<Error><Code><![CDATA[A]]></Code></Error>",
                            "<?xml <?xml ?><Error><Code>A</Code></Error>",
                            "<?xml",
                            "<Error<Code>A</Code></Error>",
                            "<Error a=\"<\"><Code>A</Code></Error>"})
        EXPECT_FALSE(read_service_error(xml)) << xml;
    EXPECT_FALSE(read_service_error("<Error><Code>" + std::string(65, 'A') + "</Code></Error>"));
    EXPECT_FALSE(read_service_error("<Error><Code>A</Code>" + std::string(kMostErrorBytes, ' ') +
                                    "</Error>"));
    std::string many = "<Error><Code>A</Code>";
    for (int i = 0; i < 32; ++i)
        many += "<x></x>";
    EXPECT_FALSE(read_service_error(many + "</Error>"));
}

TEST(Health, AMissingObjectIsNoFault)
{
    EXPECT_EQ(look_at(answer_of(200)).health, Health::good);
    EXPECT_EQ(look_at(answer_of(404)).health, Health::good);
    EXPECT_EQ(look_at(answer_of(404, error_of("NoSuchKey"))).health, Health::good);
    EXPECT_EQ(look_at_put(answer_of(200)).health, Health::good);
    EXPECT_EQ(look_at_put(answer_of(404)).health, Health::no_bucket);
}

TEST(Health, TellsWhatIsWrong)
{
    EXPECT_EQ(look_at(answer_of(404, error_of("NoSuchBucket"))).health, Health::no_bucket);
    EXPECT_EQ(look_at(answer_of(403)).health, Health::denied);
    EXPECT_EQ(look_at(answer_of(401)).health, Health::denied);
    EXPECT_EQ(look_at(answer_of(403, error_of("QuotaExceeded"))).health, Health::full);
    EXPECT_EQ(look_at(answer_of(507)).health, Health::full);
    for (const int status : {301, 307, 400, 429, 500, 503})
        EXPECT_EQ(look_at(answer_of(status)).health, Health::unreachable) << status;
    Answer silent;
    silent.failure = "no answer within 20 s";
    EXPECT_EQ(look_at(silent).health, Health::unreachable);
    EXPECT_EQ(look_at(silent).why, "no answer within 20 s");
    Answer cut = answer_of(200);
    cut.failure = "it ended early";
    EXPECT_EQ(look_at(cut).health, Health::unreachable);
    EXPECT_EQ(look_at_put(cut).health, Health::unreachable);
}

TEST(Health, SaysWhatToDo)
{
    EXPECT_THAT(look_at(answer_of(403, error_of("InvalidAccessKeyId"))).why,
                HasSubstr("access key of credentials-file"));
    EXPECT_THAT(look_at(answer_of(403, error_of("SignatureDoesNotMatch"))).why,
                HasSubstr("secret key of credentials-file"));
    EXPECT_THAT(look_at(answer_of(403, error_of("RequestTimeTooSkewed"))).why, HasSubstr("clock"));
    EXPECT_THAT(look_at(answer_of(403, error_of("AccessDenied"))).why, HasSubstr("s3:PutObject"));
    EXPECT_THAT(look_at(answer_of(301)).why, HasSubstr("redirect"));
}

TEST(Health, TellsBytesThatAreRefused)
{
    EXPECT_TRUE(are_bytes_refused(answer_of(400, error_of("XAmzContentSHA256Mismatch"))));
    EXPECT_TRUE(are_bytes_refused(answer_of(400, error_of("BadDigest"))));
    EXPECT_FALSE(are_bytes_refused(answer_of(400, error_of("InvalidRequest"))));
    EXPECT_FALSE(are_bytes_refused(answer_of(403, error_of("BadDigest"))));
    EXPECT_FALSE(are_bytes_refused(answer_of(400)));
}

}  // namespace
}  // namespace aptward::s3
