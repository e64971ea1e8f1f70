// SPDX-License-Identifier: GPL-3.0-or-later
#include "s3/uploaded.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

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
            uploaded.add(blob(i), uploaded.turn());
        uploaded.add(blob(1), uploaded.turn());
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
            uploaded.add(blob(i), uploaded.turn());
        uploaded.forget(blob(7));
        uploaded.forget(blob(4999));
        uploaded.forget(blob(6000));
        uploaded.forget(blob(8));
        uploaded.add(blob(8), uploaded.turn());
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
            uploaded.add(blob(i), uploaded.turn());
        ShortNames names;
        for (int i = 0; i < 10; ++i)
            names.push_back(short_name_of(blob(i * 555)));
        put_in_order(names);
        EXPECT_TRUE(uploaded.keep_only(names));
        EXPECT_TRUE(uploaded.keep_only(names));
        EXPECT_EQ(uploaded.count(), 10U);
        uploaded.add(blob(1), uploaded.turn());
    }
    Uploaded uploaded(file);
    EXPECT_EQ(uploaded.bucket_id(), kOne);
    EXPECT_EQ(uploaded.count(), 11U);
    EXPECT_TRUE(uploaded.has(blob(555)) && uploaded.has(blob(1)));
    EXPECT_FALSE(uploaded.has(blob(2)));
}

TEST(Uploaded, WhatWasSeenBeforeItWasForgottenIsNotAdded)
{
    const TemporaryFolder folder;
    Uploaded uploaded(folder.path() / "uploaded");
    uploaded.begin(kOne);
    std::uint64_t seen = uploaded.turn();
    EXPECT_TRUE(uploaded.add(blob(1), seen) && uploaded.add(blob(1), seen));
    EXPECT_TRUE(uploaded.keep_only({}));
    EXPECT_FALSE(uploaded.add(blob(1), seen)) << "its lease is another one";
    seen = uploaded.turn();
    uploaded.begin_turn();
    EXPECT_FALSE(uploaded.add(blob(1), seen));
    seen = uploaded.turn();
    uploaded.begin(kTwo);
    EXPECT_FALSE(uploaded.add(blob(1), seen)) << "it was seen in another bucket";
    seen = uploaded.turn();
    uploaded.begin(kTwo);
    EXPECT_TRUE(uploaded.add(blob(1), seen));
    uploaded.clear();
    EXPECT_FALSE(uploaded.add(blob(1), seen));
}

// A limit of a file's size is a disk that is full.
TEST(Uploaded, R8_WhatADiskDoesNotTakeIsForgottenAllTheSame)
{
    const TemporaryFolder folder;
    const auto file = folder.path() / "uploaded";
    const auto fill = [&file](Uploaded& uploaded) {
        uploaded.begin(kOne);
        for (int i = 0; i < 100; ++i)
            uploaded.add(blob(i), uploaded.turn());
        EXPECT_EQ(Uploaded(file).count(), uploaded.count());
    };
    ::rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const auto old = std::signal(SIGXFSZ, SIG_IGN);
    const auto with_full_disk = [&before](const auto& change) {
        ::rlimit full = before;
        full.rlim_cur = 16;
        ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
        change();
        ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    };
    {
        Uploaded uploaded(file);
        fill(uploaded);
        with_full_disk([&] { uploaded.forget(blob(7)); });
        EXPECT_EQ(uploaded.count(), 99U);
        EXPECT_FALSE(Uploaded(file).has(blob(7)));
        EXPECT_TRUE(uploaded.keep_only({short_name_of(blob(3))}));
        EXPECT_TRUE(Uploaded(file).has(blob(3))) << "the disk takes it again";
        uploaded.clear();
    }
    {
        Uploaded uploaded(file);
        fill(uploaded);
        with_full_disk([&] { EXPECT_TRUE(uploaded.keep_only({short_name_of(blob(3))})); });
        EXPECT_EQ(uploaded.count(), 1U);
        EXPECT_EQ(Uploaded(file).count(), 0U);
        uploaded.clear();
    }
    Uploaded uploaded(file);
    fill(uploaded);
    with_full_disk([&] { uploaded.clear(); });
    EXPECT_EQ(Uploaded(file).count(), 0U);
    std::signal(SIGXFSZ, old);
}

TEST(Uploaded, ABucketThatHasNothingYetIsRemembered)
{
    const TemporaryFolder folder;
    const auto file = folder.path() / "uploaded";
    EXPECT_TRUE(Uploaded(file).begin(kOne));
    Uploaded uploaded(file);
    EXPECT_EQ(uploaded.count(), 0U);
    EXPECT_TRUE(uploaded.begin(kOne));
    uploaded.add(blob(1), uploaded.turn());
    EXPECT_FALSE(uploaded.begin(kTwo)) << "it was another one";
    EXPECT_FALSE(uploaded.has(blob(1)));
}

TEST(Uploaded, AnotherBucketHasNothingOfThisOne)
{
    const TemporaryFolder folder;
    Uploaded uploaded(folder.path() / "uploaded");
    uploaded.add(blob(1), uploaded.turn());  // of no bucket that is known
    EXPECT_EQ(uploaded.count(), 0U);
    EXPECT_TRUE(uploaded.begin(kOne));
    uploaded.add(blob(1), uploaded.turn());
    EXPECT_FALSE(uploaded.begin(kTwo));
    EXPECT_FALSE(uploaded.has(blob(1)));
    uploaded.add(blob(2), uploaded.turn());
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
        uploaded.add(blob(1), uploaded.turn());
        uploaded.add(blob(2), uploaded.turn());
    }
    std::filesystem::resize_file(file, std::filesystem::file_size(file) - 3);
    {
        Uploaded uploaded(file);
        EXPECT_EQ(uploaded.count(), 1U);
        uploaded.add(blob(3), uploaded.turn());
    }
    EXPECT_TRUE(Uploaded(file).has(blob(3)));
    ASSERT_TRUE(write_file_durably(file, "something else"));
    Uploaded uploaded(file);
    EXPECT_EQ(uploaded.count(), 0U);
    EXPECT_TRUE(uploaded.begin(kOne));
    uploaded.add(blob(4), uploaded.turn());
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
