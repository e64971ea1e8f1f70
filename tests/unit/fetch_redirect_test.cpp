// SPDX-License-Identifier: GPL-3.0-or-later
#include "fetch/redirect.h"

#include <gtest/gtest.h>

namespace aptward::fetch {
namespace {

const std::string kFrom = "https://mirror.example/debian/dists/stable/InRelease?x=1";

TEST(Redirect, ResolvesWhatServersWrite)
{
    struct Row {
        const char *location, *url;
        bool is_same_host;
    };
    for (const Row& row :
         {Row{"https://other.example/x", "https://other.example/x", false},
          Row{"https://Mirror.EXAMPLE/x", "https://mirror.example/x", true},
          Row{"https://mirror.example:8443/x", "https://mirror.example:8443/x", false},
          Row{"https://other.example", "https://other.example/", false},
          Row{"//other.example/x", "https://other.example/x", false},
          Row{"/pool/x", "https://mirror.example/pool/x", true},
          Row{"Release", "https://mirror.example/debian/dists/stable/Release", true},
          Row{"?page=2", "https://mirror.example/debian/dists/stable/InRelease?page=2", true},
          Row{"/get?url=http://x/y", "https://mirror.example/get?url=http://x/y", true},
          Row{"?u=http://x/y", "https://mirror.example/debian/dists/stable/InRelease?u=http://x/y",
              true},
          Row{"#x", "https://mirror.example/debian/dists/stable/InRelease?x=1#x", true},
          Row{"https://mirror.example?x=1", "https://mirror.example/?x=1", true},
          Row{"https://mirror.example#x", "https://mirror.example/#x", true},
          Row{"/pool/a%20b", "https://mirror.example/pool/a%20b", true}}) {
        const auto redirect = judge_redirect(kFrom, row.location);
        ASSERT_TRUE(redirect) << redirect.error().message();
        EXPECT_EQ(redirect->url, row.url) << row.location;
        EXPECT_EQ(redirect->is_same_host, row.is_same_host) << row.location;
    }
}

// CVE-2019-3462: a line end in a redirect became a line of its own in what read it next.
TEST(Redirect, A18_V38_RefusesHiddenControlBytes)
{
    for (const char* location :
         {"https://other.example/%0aX", "https://other.example/%0d%0a201%20URI%20Done", "/x%00",
          "/x%7F", "https://other.example/a b", "https://other.example/\nX", "\tx", "/%1b"}) {
        const auto redirect = judge_redirect(kFrom, location);
        ASSERT_FALSE(redirect) << location;
        EXPECT_EQ(redirect.error().code(), Errc::untrusted);
    }
}

TEST(Redirect, A18_V38_RefusesOtherSchemesDowngradesAndHostsInDisguise)
{
    for (const char* location :
         {"", "file:///etc/passwd", "ftp://other.example/x", "javascript:alert(1)", "data:,x",
          "http://mirror.example/x", "https://user@other.example/x", "https:///x", "https://"}) {
        const auto redirect = judge_redirect(kFrom, location);
        ASSERT_FALSE(redirect) << location;
        EXPECT_EQ(redirect.error().code(), Errc::untrusted);
    }
    EXPECT_TRUE(judge_redirect("http://mirror.example/x", "https://mirror.example/x"));
}

// What follows the host without a slash must not become the host's end, or its user, one hop later.
TEST(Redirect, A18_ARelativeLocationNeverChangesTheHost)
{
    for (const char* first :
         {"https://mirror.example", "https://mirror.example?x=1", "https://mirror.example#x"}) {
        for (const char* second : {".evil.example/x", "@evil.example/x"}) {
            const auto before = judge_redirect(kFrom, first);
            ASSERT_TRUE(before) << first;
            const auto after = judge_redirect(before->url, second);
            ASSERT_TRUE(after) << second;
            EXPECT_TRUE(after->is_same_host);
            EXPECT_EQ(after->url, std::string("https://mirror.example/") + second) << first;
        }
    }
}

}  // namespace
}  // namespace aptward::fetch
