// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/lease.h"

#include <gtest/gtest.h>

#include "crypto/crypto.h"

namespace aptward::s3 {
namespace {

using std::chrono::seconds;

Lease lease_of(std::vector<std::string> texts)
{
    Lease lease;
    lease.node = "node.example";
    lease.valid = seconds(60);
    for (const std::string& text : texts)
        lease.names.push_back(short_name_of(crypto::digest_of(text)));
    put_in_order(lease.names);
    return lease;
}

TEST(Lease, IsReadAsItIsWritten)
{
    const Lease lease = lease_of({"a", "b", "c", "a"});
    const auto read = parse_lease(to_text(lease));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->node, "node.example");
    EXPECT_EQ(read->valid, seconds(60));
    EXPECT_FALSE(read->needs_everything);
    EXPECT_EQ(read->names, lease.names);
    EXPECT_EQ(read->names.size(), 3U);
    EXPECT_TRUE(contains(read->names, crypto::digest_of("b")));
    EXPECT_FALSE(contains(read->names, crypto::digest_of("d")));
    EXPECT_EQ(to_text(lease_of({})), "aptward-lease/v1\nnode node.example\nvalid 60\nnames 0\n\n");
}

TEST(Lease, MayNeedEverything)
{
    Lease lease = lease_of({});
    lease.needs_everything = true;
    const auto read = parse_lease(to_text(lease));
    ASSERT_TRUE(read);
    EXPECT_TRUE(read->needs_everything);
}

TEST(Lease, IsNoneThatWasCutForgedOrIsTooLarge)
{
    const std::string whole = to_text(lease_of({"a", "b"}));
    for (std::size_t length = 0; length < whole.size(); ++length)
        EXPECT_FALSE(parse_lease(whole.substr(0, length))) << length;
    EXPECT_FALSE(parse_lease(whole + "x"));
    const std::string head = "aptward-lease/v1\n";
    const std::string upper(8, '\2'), lower(8, '\1');
    EXPECT_TRUE(parse_lease(head + "node n\nvalid 1\nnames 2\n\n" + lower + upper));
    for (const std::string& text :
         {head + "node n\nvalid 1\nnames 2\n\n" + upper + lower,  // out of order
          head + "node n\nvalid 1\nnames 2\n\n" + upper + upper,  // twice
          head + "node n\nvalid 7776001\nnames 0\n\n",            // over 90 days
          head + "node n\nvalid -1\nnames 0\n\n", head + "node \nvalid 1\nnames 0\n\n",
          head + "node n\x7f\nvalid 1\nnames 0\n\n", head + "valid 1\nnode n\nnames 0\n\n",
          head + "node n\nvalid 1\nnames 99999999999999999999\n\n",
          head + "node n\nvalid 1\nnames *\n\n" + upper})
        EXPECT_FALSE(parse_lease(text)) << text;
    EXPECT_FALSE(parse_lease(std::string(kMostLeaseBytes + 1, 'x')));
}

TEST(DeletionNotice, IsReadAsItIsWritten)
{
    const auto read = parse_deletion_notice(to_text(DeletionNotice{seconds(60)}));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->within, seconds(60));
    EXPECT_EQ(settling_time(*read), seconds(240));
    for (const char* text : {"", "aptward-deletes/v1\n", "aptward-deletes/v1\nwithin 0\n",
                             "aptward-deletes/v1\nwithin 901\n", "aptward-deletes/v1\nwithin 1\nx"})
        EXPECT_FALSE(parse_deletion_notice(text)) << text;
}

}  // namespace
}  // namespace aptward::s3
