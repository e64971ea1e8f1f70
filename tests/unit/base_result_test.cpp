// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/result.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace aptward {
namespace {

// What makes a node collect: only this is helped by it.
TEST(Result, A_full_disk_is_told_from_other_failures_of_the_disk)
{
    for (const int full : {ENOSPC, EDQUOT})
        EXPECT_TRUE(fail_errno("writing", full).value().is_no_room()) << full;
    for (const int other : {EMFILE, ENFILE, EIO, EROFS, EFBIG, EACCES})
        EXPECT_FALSE(fail_errno("writing", other).value().is_no_room()) << other;
    EXPECT_FALSE(Error(Errc::storage, "no memory").is_no_room());
}

TEST(Result, Who_says_what_was_done_keeps_the_cause)
{
    const Error error = Error(fail_errno("writing", ENOSPC).value()).within("fetching");
    EXPECT_EQ(error.message(), "fetching: writing: No space left on device");
    EXPECT_TRUE(error.is_no_room());
}

}  // namespace
}  // namespace aptward
