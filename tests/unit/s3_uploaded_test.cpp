// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/uploaded.h"

#include <gtest/gtest.h>

#include "crypto/crypto.h"
#include "s3/service.h"
#include "temporary_folder.h"

namespace aptward::s3 {
namespace {

const std::string kOne(32, '1'), kTwo(32, '2');

Digest blob(int number)
{
    return crypto::digest_of(std::to_string(number));
}

TEST(Uploaded, R2_RemembersOverARestart)
{
    const TemporaryFolder folder;
    const auto file = folder.path() / "uploaded";
    {
        Uploaded uploaded(file);
        EXPECT_TRUE(uploaded.begin(kOne));
        for (int i = 0; i < 10'000; ++i)
            uploaded.add(blob(i));
        uploaded.add(blob(1));
        EXPECT_EQ(uploaded.count(), 10'000U);
    }
    Uploaded uploaded(file);
    EXPECT_EQ(uploaded.count(), 10'000U);
    EXPECT_TRUE(uploaded.begin(kOne));
    EXPECT_TRUE(uploaded.has(blob(0)) && uploaded.has(blob(9'999)));
    EXPECT_FALSE(uploaded.has(blob(10'000)));
    EXPECT_FALSE(uploaded.has(crypto::digest_of("1", HashAlgorithm::sha512)));
}

TEST(Uploaded, WhatIsForgottenStaysForgotten)
{
    const TemporaryFolder folder;
    const auto file = folder.path() / "uploaded";
    {
        Uploaded uploaded(file);
        uploaded.begin(kOne);
        for (int i = 0; i < 5000; ++i)
            uploaded.add(blob(i));
        uploaded.forget(blob(7));
        uploaded.forget(blob(4999));
        uploaded.forget(blob(6000));
        uploaded.forget(blob(8));
        uploaded.add(blob(8));
        EXPECT_FALSE(uploaded.has(blob(7)));
    }
    Uploaded uploaded(file);
    EXPECT_EQ(uploaded.count(), 4998U);
    EXPECT_FALSE(uploaded.has(blob(7)) || uploaded.has(blob(4999)) || uploaded.has(blob(6000)));
    EXPECT_TRUE(uploaded.has(blob(8)));
}

TEST(Uploaded, WhatNoLeaseKeepsThereIsForgotten)
{
    const TemporaryFolder folder;
    const auto file = folder.path() / "uploaded";
    {
        Uploaded uploaded(file);
        uploaded.begin(kOne);
        for (int i = 0; i < 5000; ++i)
            uploaded.add(blob(i));
        ShortNames names;
        for (int i = 0; i < 10; ++i)
            names.push_back(short_name_of(blob(i * 555)));
        put_in_order(names);
        EXPECT_TRUE(uploaded.keep_only(names));
        EXPECT_TRUE(uploaded.keep_only(names));
        EXPECT_EQ(uploaded.count(), 10U);
        uploaded.add(blob(1));
    }
    Uploaded uploaded(file);
    EXPECT_EQ(uploaded.bucket_id(), kOne);
    EXPECT_EQ(uploaded.count(), 11U);
    EXPECT_TRUE(uploaded.has(blob(555)) && uploaded.has(blob(1)));
    EXPECT_FALSE(uploaded.has(blob(2)));
}

TEST(Uploaded, ABucketThatHasNothingYetIsRemembered)
{
    const TemporaryFolder folder;
    const auto file = folder.path() / "uploaded";
    EXPECT_TRUE(Uploaded(file).begin(kOne));
    Uploaded uploaded(file);
    EXPECT_EQ(uploaded.count(), 0U);
    EXPECT_TRUE(uploaded.begin(kOne));
    uploaded.add(blob(1));
    EXPECT_FALSE(uploaded.begin(kTwo)) << "it was another one";
    EXPECT_FALSE(uploaded.has(blob(1)));
}

TEST(Uploaded, AnotherBucketHasNothingOfThisOne)
{
    const TemporaryFolder folder;
    Uploaded uploaded(folder.path() / "uploaded");
    uploaded.add(blob(1));  // of no bucket that is known
    EXPECT_EQ(uploaded.count(), 0U);
    EXPECT_TRUE(uploaded.begin(kOne));
    uploaded.add(blob(1));
    EXPECT_FALSE(uploaded.begin(kTwo));
    EXPECT_FALSE(uploaded.has(blob(1)));
    uploaded.add(blob(2));
    uploaded.clear();
    EXPECT_EQ(uploaded.count(), 0U);
    EXPECT_EQ(Uploaded(folder.path() / "uploaded").count(), 0U);
}

TEST(Uploaded, R8_ATornOrForeignFileIsNoHarm)
{
    const TemporaryFolder folder;
    const auto file = folder.path() / "uploaded";
    {
        Uploaded uploaded(file);
        uploaded.begin(kOne);
        uploaded.add(blob(1));
        uploaded.add(blob(2));
    }
    std::filesystem::resize_file(file, std::filesystem::file_size(file) - 3);
    {
        Uploaded uploaded(file);
        EXPECT_EQ(uploaded.count(), 1U);
        uploaded.add(blob(3));
    }
    EXPECT_TRUE(Uploaded(file).has(blob(3)));
    ASSERT_TRUE(write_file_durably(file, "something else"));
    Uploaded uploaded(file);
    EXPECT_EQ(uploaded.count(), 0U);
    EXPECT_TRUE(uploaded.begin(kOne));
    uploaded.add(blob(4));
    EXPECT_TRUE(Uploaded(file).has(blob(4)));
}

TEST(UploadQueue, IsBoundedAndHoldsEachOnce)
{
    UploadQueue queue;
    EXPECT_TRUE(queue.add({blob(1), "a"}));
    EXPECT_TRUE(queue.add({blob(1), "b"}));
    EXPECT_EQ(queue.size(), 1U);
    for (int i = 2; i <= static_cast<int>(kMostWaiting); ++i)
        EXPECT_TRUE(queue.add({blob(i), "a"}));
    EXPECT_FALSE(queue.add({blob(0), "a"}));
    EXPECT_TRUE(queue.add({blob(2), "a"}));
    const auto first = queue.take();
    ASSERT_TRUE(first);
    EXPECT_EQ(first->digest, blob(1));
    EXPECT_EQ(first->archive, "a");
    EXPECT_TRUE(queue.add({blob(1), "a"}));
    queue.clear();
    EXPECT_FALSE(queue.take());
}

}  // namespace
}  // namespace aptward::s3
