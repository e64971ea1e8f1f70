// SPDX-License-Identifier: GPL-3.0-or-later
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "base/clock.h"
#include "base/sanitizer.h"
#include "code_of.h"
#include "crypto/crypto.h"
#include "store/hot_blobs.h"
#include "store/private_marks.h"
#include "store/store.h"
#include "temporary_folder.h"

namespace aptward::store {
namespace {

class StoreTest : public testing::Test {
protected:
    StoreTest() { blobs = *Blobs::open(state); }
    std::filesystem::path path_of(const Digest& digest) const
    {
        return state / "blobs/sha256" / digest.hex().substr(0, 2) / digest.hex();
    }

    // Overwrites one byte behind the store's back.
    void rot(const Digest& digest) const
    {
        ::chmod(path_of(digest).c_str(), 0644);
        const Fd file(::open(path_of(digest).c_str(), O_WRONLY));
        ASSERT_TRUE(write_all_at(file.get(), "X", 1));
    }

    const TemporaryFolder temporary_;
    const std::filesystem::path& state = temporary_.path();
    std::shared_ptr<Blobs> blobs;
};

// As if nobody had used it for `seconds`.
void grow_old(const std::filesystem::path& file, std::int64_t seconds)
{
    const timespec times[2] = {{to_unix(system_now()) - seconds, 0}, {0, UTIME_OMIT}};
    ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
}

TEST_F(StoreTest, TellsOfBlobsThatComeAndGo)
{
    std::vector<std::string> told;
    blobs->watch([&](const Digest& digest) { told.push_back(digest.hex()); });
    const Digest kept = *blobs->put("kept"), gone = *blobs->put("gone"), bad = *blobs->put("bad");
    EXPECT_EQ(told, (std::vector<std::string>{kept.hex(), gone.hex(), bad.hex()}));
    told.clear();
    EXPECT_TRUE(*blobs->evict(gone, system_now() + std::chrono::hours(2)));
    EXPECT_TRUE(blobs->set_aside(bad));
    EXPECT_EQ(told, (std::vector<std::string>{gone.hex(), bad.hex()}));
}

TEST_F(StoreTest, EvictsWhatNobodyHasUsed)
{
    const Digest used = *blobs->put("used"), read = *blobs->put("read"), old = *blobs->put("old");
    for (const Digest& digest : {used, read, old})
        grow_old(path_of(digest), 7200);
    const SystemTime hour_ago = system_now() - std::chrono::hours(1);
    EXPECT_TRUE(blobs->use(used));
    EXPECT_TRUE(blobs->read(read));
    EXPECT_FALSE(*blobs->evict(used, hour_ago));
    EXPECT_FALSE(*blobs->evict(read, hour_ago));
    EXPECT_TRUE(*blobs->evict(old, hour_ago));
    EXPECT_FALSE(*blobs->evict(old, hour_ago)) << "gone already";
    EXPECT_TRUE(blobs->holds(used) && blobs->holds(read));
    EXPECT_FALSE(blobs->holds(old) || blobs->use(old));
    Digest other_size = used;
    ++other_size.size_bytes;
    EXPECT_FALSE(blobs->use(other_size));
}

// What is served from memory for days is not what nobody uses.
TEST_F(StoreTest, WhatIsHotIsInUse)
{
    HotBlobs hot({1 << 20, 16});
    const Digest small = *blobs->put("small"),
                 large = *blobs->put(std::string(kLargestInHand + 1, 'x'));
    for (const Digest& digest : {small, large}) {
        const auto blob = hot.get(*blobs, digest);
        ASSERT_TRUE(blob);
        grow_old(path_of(digest), 7200);
        (*blob)->note_use(*blobs, digest, system_now());
        EXPECT_TRUE(*blobs->evict(digest, system_now() - std::chrono::hours(1)))
            << "noted within the hour already";
        ASSERT_TRUE(blobs->put(digest == small ? "small" : std::string(kLargestInHand + 1, 'x')));
        grow_old(path_of(digest), 7200);
        (*blob)->noted -= std::chrono::hours(2);
        (*blob)->note_use(*blobs, digest, system_now());
        EXPECT_FALSE(*blobs->evict(digest, system_now() - std::chrono::hours(1)));
    }
}

// Else nothing would ever go again, until that time has come.
TEST_F(StoreTest, R14_WhatAClockThatWasAheadHasNotedIsNoUseAndNotedAnew)
{
    constexpr std::int64_t kAhead = 30 * 86400;
    const Digest far = *blobs->put("far"), near = *blobs->put("near"), read = *blobs->put("read"),
                 hot = *blobs->put("hot");
    HotBlobs hot_blobs({1 << 20, 16});
    const auto blob = hot_blobs.get(*blobs, hot);
    ASSERT_TRUE(blob);
    for (const Digest& digest : {far, read, hot})
        grow_old(path_of(digest), -kAhead);
    grow_old(path_of(near), -7200);
    ASSERT_TRUE(blobs->read(read));
    (*blob)->noted += std::chrono::seconds(kAhead);
    (*blob)->note_use(*blobs, hot, system_now());
    std::map<std::string, SystemTime> used;
    ASSERT_TRUE(blobs->each([&](const Blobs::Entry& entry) {
        used[entry.digest.hex()] = entry.used;
        return true;
    }));
    EXPECT_EQ(used[far.hex()], SystemTime());
    for (const Digest& digest : {read, hot})
        EXPECT_LE(used[digest.hex()], system_now()) << "it is noted as it is now";
    const SystemTime hour_ago = system_now() - std::chrono::hours(1);
    EXPECT_TRUE(*blobs->evict(far, hour_ago));
    EXPECT_FALSE(*blobs->evict(near, hour_ago)) << "a clock that was just set back";
    EXPECT_FALSE(*blobs->evict(read, hour_ago) || *blobs->evict(hot, hour_ago));
}

TEST_F(StoreTest, ScrubbingIsNoUse)
{
    const Digest old = *blobs->put("old");
    grow_old(path_of(old), 7200);
    ASSERT_TRUE(blobs->scrub({}));
    EXPECT_TRUE(*blobs->evict(old, system_now() - std::chrono::hours(1)));
}

// Whoever was told that a file is there finds it, however the collector runs beside. Each user
// stores a file of its own, lets it grow old, and uses it at a moment that the collector does not
// know: many short schedules, each as the machine happens to run it.
TEST_F(StoreTest, R27_WhatSomebodyUsesIsNeverTakenFromHim)
{
    constexpr int kUsers = 3, kRounds = 1000, kLooks = 100'000;
    std::vector<Digest> digests;
    for (int user = 0; user < kUsers; ++user)
        digests.push_back(crypto::digest_of("file " + std::to_string(user)));
    // It may be out of sight while the collector looks at it.
    const auto comes_back = [&](const Digest& digest) {
        for (int look = 0; look < kLooks; ++look)
            if (blobs->holds(digest))
                return true;
        return false;
    };
    std::atomic<int> at_work = kUsers, evicted = 0, used = 0, lost = 0;
    std::vector<std::thread> threads;
    for (int user = 0; user < kUsers; ++user)
        threads.emplace_back([&, user] {
            const Digest& digest = digests[static_cast<std::size_t>(user)];
            for (int round = 0; round < kRounds; ++round) {
                // Whether it was there already or not, it is from now on.
                if (!blobs->put("file " + std::to_string(user)) || !comes_back(digest))
                    ++lost;
                const timespec old[2] = {{0, 0}, {0, UTIME_OMIT}};
                ::utimensat(AT_FDCWD, path_of(digest).c_str(), old, 0);
                if (!blobs->use(digest))
                    continue;  // it went
                ++used;
                if (!comes_back(digest))
                    ++lost;
            }
            --at_work;
        });
    while (at_work > 0)
        for (const Digest& digest : digests) {
            const auto gone = blobs->evict(digest, system_now() - std::chrono::hours(1));
            evicted += gone && *gone ? 1 : 0;
        }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(lost, 0);
    EXPECT_GT(used, 0);
    EXPECT_GT(evicted, 0);
}

TEST_F(StoreTest, KeepsWhatItWasGivenUnderItsHash)
{
    const auto digest = blobs->put("hello");
    ASSERT_TRUE(digest);
    EXPECT_TRUE(blobs->holds(*digest));
    EXPECT_TRUE(blobs->put("hello"));
    EXPECT_TRUE(blobs->read(*digest));
    EXPECT_EQ(blobs->volume().blobs, 1U);
}

TEST_F(StoreTest, WhatCameForCredentialsIsGivenByItsArchiveOnlyUntilItIsNoSecret)
{
    const Digest digest = crypto::digest_of("secret");
    PrivateMarks marks;
    ASSERT_TRUE(marks.open(state));
    EXPECT_TRUE(marks.may_give(digest, "other"));
    ASSERT_TRUE(marks.settle(*blobs, {digest}, "esm"));
    ASSERT_TRUE(marks.settle(*blobs, {digest}, "esm")) << "a mark without a blob is no obstacle";
    ASSERT_TRUE(blobs->put("secret"));
    PrivateMarks again;
    ASSERT_TRUE(again.open(state));
    EXPECT_TRUE(again.may_give(digest, "esm"));
    EXPECT_FALSE(again.may_give(digest, "other"));
    ASSERT_TRUE(again.settle(*blobs, {digest}, "ppa")) << "it has them of its own";
    EXPECT_TRUE(again.may_give(digest, "ppa"));
    ASSERT_TRUE(again.settle(*blobs, {digest}, ""));
    EXPECT_TRUE(again.may_give(digest, "other"));
}

TEST_F(StoreTest, WhatIsHeldForEverybodyStaysSo)
{
    PrivateMarks marks;
    ASSERT_TRUE(marks.open(state));
    const auto digest = blobs->put("known");
    ASSERT_TRUE(digest);
    Digest longer;  // the same bytes under their other name, which is not held
    longer.algorithm = HashAlgorithm::sha512;
    longer.size_bytes = digest->size_bytes;
    ASSERT_TRUE(marks.settle(*blobs, {longer, *digest}, "esm"));
    EXPECT_TRUE(marks.may_give(*digest, "other"));
}

// Below the number for which the file system is synced, and above.
TEST_F(StoreTest, R8_FoldersThatAreGoneAreMadeAgain)
{
    std::filesystem::remove_all(state / "blobs");
    blobs = *Blobs::open(state);
    const auto again = blobs->put("again");
    ASSERT_TRUE(again);
    std::filesystem::remove_all(path_of(*again).parent_path());
    blobs = *Blobs::open(state);
    EXPECT_TRUE(blobs->scrub({}));
    EXPECT_TRUE(blobs->put("again"));
}

TEST_F(StoreTest, WhateverTheUmaskABlobIsThereForEveryReader)
{
    const ::mode_t before = ::umask(0077);
    const Digest digest = *blobs->put("public");
    ::umask(before);
    struct ::stat status{};
    ASSERT_EQ(::stat(path_of(digest).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0444U);
}

TEST_F(StoreTest, ManyAreCommittedAtOnceAndADamagedOneIsReplaced)
{
    for (const std::size_t count : {2U, 40U}) {
        std::vector<Blobs::Staged> batch;
        for (std::size_t i = 0; i < count; ++i) {
            const std::string bytes = std::to_string(count) + "/" + std::to_string(i);
            auto file = blobs->stage();
            ASSERT_TRUE(file);
            ASSERT_TRUE(write_all(file->get(), bytes));
            batch.push_back(
                {std::make_shared<const Fd>(std::move(*file)), {crypto::digest_of(bytes)}});
        }
        const Digest& damaged = batch.front().digests.front();
        ASSERT_TRUE(blobs->put(std::to_string(count) + "/0"));
        rot(damaged);
        batch.push_back(batch.back());  // twice in one batch
        const auto results = blobs->commit_all(batch);
        ASSERT_EQ(results.size(), batch.size());
        for (std::size_t i = 0; i < batch.size(); ++i) {
            EXPECT_TRUE(results[i]) << results[i].error().message();
            EXPECT_TRUE(blobs->holds(batch[i].digests.front()));
        }
        EXPECT_TRUE(blobs->scrub({})->damaged_names.empty());
    }
    EXPECT_TRUE(blobs->commit_all({}).empty());
}

TEST_F(StoreTest, R7_R26_ScrubFindsAFlippedBitAndSetsItAside)
{
    const auto digest = blobs->put("hello");
    const auto other = blobs->put("world");
    rot(*digest);
    const auto report = blobs->scrub({});
    ASSERT_TRUE(report);
    EXPECT_EQ(report->damaged_names, std::vector<std::string>{digest->hex()});
    EXPECT_FALSE(blobs->holds(*digest));
    EXPECT_TRUE(blobs->holds(*other));
    EXPECT_TRUE(blobs->put("hello"));
    EXPECT_TRUE(blobs->holds(*digest));
}

TEST_F(StoreTest, AScrubGoesOnBehindItsCursorAndStopsWhenTold)
{
    std::set<std::string> all;
    for (int i = 0; i < 20; ++i)
        all.insert(blobs->put(std::to_string(i))->hex());
    Blobs::ScrubOptions options;
    options.goes_on = [](const Blobs::ScrubReport& report) { return report.checked < 7; };
    const auto half = blobs->scrub(options);
    ASSERT_TRUE(half);
    EXPECT_FALSE(half->is_whole);
    EXPECT_EQ(half->checked, 7U);
    EXPECT_EQ(half->cursor, "sha256/" + *std::next(all.begin(), 6));
    rot(*parse_digest(*std::next(all.begin(), 3), 1));   // checked before: not seen again
    rot(*parse_digest(*std::next(all.begin(), 15), 1));  // still to come
    options.before = *half;
    options.goes_on = nullptr;
    const auto whole = blobs->scrub(options);
    ASSERT_TRUE(whole);
    EXPECT_TRUE(whole->is_whole);
    EXPECT_EQ(whole->checked, 20U);
    EXPECT_EQ(whole->checked_bytes, whole->total_bytes);
    EXPECT_EQ(whole->damaged_names, std::vector<std::string>{*std::next(all.begin(), 15)});
}

TEST_F(StoreTest, AScrubKeepsItsRate)
{
    ASSERT_TRUE(blobs->put(std::string(200'000, 'x')));
    Blobs::ScrubOptions options;
    options.rate_bytes_per_s = 1'000'000;
    const SteadyTime started = steady_now();
    ASSERT_TRUE(blobs->scrub(options));
    EXPECT_GE(steady_now() - started, std::chrono::milliseconds(190));
}

TEST_F(StoreTest, R8_TruncatedAndSymlinkedBlobsAreNotServed)
{
    const auto cut = blobs->put("to be cut");
    ASSERT_EQ(::truncate(path_of(*cut).c_str(), 3), 0);
    EXPECT_EQ(code_of(blobs->read(*cut)), Errc::not_found);
    const auto linked = blobs->put("to be linked");
    std::filesystem::remove(path_of(*linked));
    std::filesystem::create_symlink("/etc/passwd", path_of(*linked));
    EXPECT_EQ(code_of(blobs->read(*linked)), Errc::not_found);
    EXPECT_FALSE(blobs->holds(*linked));
}

TEST_F(StoreTest, R8_AWrongSizeInAnotherListDoesNotCostAGoodBlob)
{
    const auto good = blobs->put("listed elsewhere with one byte more");
    Digest other = *good;
    ++other.size_bytes;
    EXPECT_EQ(code_of(blobs->read(other)), Errc::not_found);
    EXPECT_FALSE(blobs->holds(other));
    EXPECT_TRUE(blobs->read(*good));
    EXPECT_TRUE(std::filesystem::is_empty(state / "damaged"));
}

TEST_F(StoreTest, R7_R8_GoodBytesReplaceADamagedFileOfTheirName)
{
    const std::string bytes = "these come from a source again";
    const auto damages = {
        +[](const std::filesystem::path& path) { std::filesystem::resize_file(path, 3); },
        +[](const std::filesystem::path& path) {
            ASSERT_TRUE(write_file_durably(path, "THESE come from a source again"));
        },
        +[](const std::filesystem::path& path) {
            std::filesystem::remove(path);
            std::filesystem::create_symlink("/etc/passwd", path);
        }};
    for (const auto& damage : damages) {
        const auto digest = blobs->put(bytes);
        ASSERT_TRUE(digest);
        damage(path_of(*digest));
        const auto staged = blobs->stage();
        ASSERT_TRUE(staged && write_all(staged->get(), bytes));
        ASSERT_TRUE(blobs->commit(*staged, {*digest}));
        EXPECT_EQ(*read_file(path_of(*digest), 1000), bytes);
        EXPECT_TRUE(blobs->read(*digest));
        damage(path_of(*digest));
        ASSERT_TRUE(blobs->put(bytes));
        EXPECT_EQ(*read_file(path_of(*digest), 1000), bytes);
    }
}

TEST_F(StoreTest, R7_ARecheckSetsAsideWhatIsDamagedAndNothingElse)
{
    const auto good = blobs->put("good");
    const auto rotten = blobs->put("rotten");
    rot(*rotten);
    EXPECT_TRUE(blobs->recheck(*good));
    EXPECT_TRUE(blobs->recheck(*rotten));
    EXPECT_TRUE(blobs->recheck(crypto::digest_of("never held")));
    EXPECT_TRUE(blobs->holds(*good));
    EXPECT_FALSE(blobs->holds(*rotten));
    EXPECT_TRUE(std::filesystem::exists(state / "damaged" / rotten->hex()));
}

TEST_F(StoreTest, R7_OfWhatWasSetAsideTheLatestStays)
{
    std::string last;
    for (int number = 0; number < 110; ++number) {
        const auto rotten = blobs->put(std::to_string(number));
        rot(*rotten);
        ASSERT_TRUE(blobs->recheck(*rotten));
        last = rotten->hex();
    }
    const auto count = std::distance(std::filesystem::directory_iterator(state / "damaged"),
                                     std::filesystem::directory_iterator());
    EXPECT_EQ(count, 100);
    EXPECT_TRUE(std::filesystem::exists(state / "damaged" / last));
}

TEST_F(StoreTest, ASecondDigestIsASecondName)
{
    const auto staged = blobs->stage();
    ASSERT_TRUE(staged);
    ASSERT_TRUE(write_all(staged->get(), "both"));
    const Digest wide = crypto::digest_of("both", HashAlgorithm::sha512);
    ASSERT_TRUE(blobs->commit(*staged, {crypto::digest_of("both"), wide}));
    EXPECT_TRUE(blobs->read(wide));
}

TEST_F(StoreTest, AWalkComesToTheSecondNamesFirst)
{
    ASSERT_TRUE(blobs->put("one name"));
    const auto staged = blobs->stage();
    ASSERT_TRUE(staged && write_all(staged->get(), "both"));
    const Digest wide = crypto::digest_of("both", HashAlgorithm::sha512);
    ASSERT_TRUE(blobs->commit(*staged, {crypto::digest_of("both"), wide}));
    std::vector<HashAlgorithm> seen;
    ASSERT_TRUE(blobs->each([&](const Blobs::Entry& entry) {
        seen.push_back(entry.digest.algorithm);
        return true;
    }));
    EXPECT_EQ(seen,
              (std::vector{HashAlgorithm::sha512, HashAlgorithm::sha256, HashAlgorithm::sha256}));
}

TEST_F(StoreTest, R25_TheLockKeepsASecondNodeOff)
{
    const auto lock = lock_state(state);
    ASSERT_TRUE(lock);
    const auto second = lock_state(state);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message().find("in use by another node"), std::string::npos);
}

TEST_F(StoreTest, R12_AScrubThatRunsOutOfDescriptorsSaysSoAndSetsNothingAside)
{
    if (kHasAddressSanitizer)
        GTEST_SKIP() << "the sanitizer opens pipes to look at memory, and takes none for damage";
    const Digest first = *blobs->put("first"), second = *blobs->put("second");
    ::rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    Blobs::ScrubOptions options;
    options.goes_on = [&](const Blobs::ScrubReport& report) {
        const ::rlimit none{0, before.rlim_max};
        if (report.checked == 1)
            ::setrlimit(RLIMIT_NOFILE, &none);
        return true;
    };
    const auto report = blobs->scrub(options);
    ::setrlimit(RLIMIT_NOFILE, &before);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code(), Errc::storage);
    EXPECT_TRUE(blobs->holds(first) && blobs->holds(second));
}

TEST_F(StoreTest, SmallHotBlobsAreServedFromMemoryAndStayRightWhenTheDiskDoesNot)
{
    const Digest digest = *blobs->put("small");
    HotBlobs hot({1 << 20, 8});
    ASSERT_EQ((*hot.get(*blobs, digest))->bytes, "small");
    rot(digest);
    EXPECT_EQ((*hot.get(*blobs, digest))->bytes, "small");
    EXPECT_FALSE(HotBlobs({1 << 20, 8}).get(*blobs, digest)) << "R7: found out when it is read";
    EXPECT_FALSE(blobs->holds(digest));
}

TEST_F(StoreTest, R7_R8_ALargeHotBlobThatIsCutOrSetAsideIsNotServed)
{
    const Digest cut = *blobs->put(std::string(kLargestInHand + 1, 'a'));
    const Digest gone = *blobs->put(std::string(kLargestInHand + 1, 'b'));
    HotBlobs hot({1 << 20, 8});
    ASSERT_TRUE(hot.get(*blobs, cut));
    ASSERT_TRUE(hot.get(*blobs, gone));
    ::chmod(path_of(cut).c_str(), 0644);
    ASSERT_EQ(::truncate(path_of(cut).c_str(), 10), 0);
    ASSERT_TRUE(blobs->set_aside(gone));
    EXPECT_FALSE(hot.get(*blobs, cut));
    EXPECT_FALSE(hot.get(*blobs, gone)) << "the open file is still whole, but was set aside";
}

TEST_F(StoreTest, HotBlobsStayWithinTheirBytesAndEntriesAndKeepWhatIsAskedFor)
{
    HotBlobs hot({1000, 8});
    const Digest favourite = *blobs->put(std::string(100, 'f'));
    for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(hot.get(*blobs, favourite));
        ASSERT_TRUE(hot.get(*blobs, *blobs->put(std::string(300, static_cast<char>('A' + i)))));
        EXPECT_LE(hot.bytes(), 1000U);
        EXPECT_LE(hot.size(), 8U);
    }
    std::filesystem::remove(path_of(favourite));
    EXPECT_TRUE(hot.get(*blobs, favourite)) << "what is asked for again and again stays in hand";
}

TEST_F(StoreTest, R24_AStateFolderOfANewerFormatIsRefused)
{
    ASSERT_TRUE(check_format(state));
    EXPECT_EQ(*read_file(state / "format", 64), std::to_string(kStateFormat) + "\n");
    EXPECT_TRUE(check_format(state));
    ASSERT_TRUE(write_file_durably(state / "format", std::to_string(kStateFormat + 1) + "\n"));
    const auto newer = check_format(state);
    ASSERT_FALSE(newer);
    EXPECT_NE(newer.error().message().find("newer"), std::string::npos);
    for (const char* text : {"", "one\n", "0\n", "-1\n", "1\n1\n", "99999999999\n"}) {
        ASSERT_TRUE(write_file_durably(state / "format", text));
        EXPECT_FALSE(check_format(state)) << text;
    }
}

}  // namespace
}  // namespace aptward::store
