// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "code_of.h"
#include "store/deliveries.h"
#include "temporary_folder.h"

namespace aptward::store {
namespace {

using std::chrono::system_clock;

constexpr std::int64_t kNoon = 1'777'550'400'000;

Delivery delivery(int number)
{
    static const std::string kHex(64, 'a');
    static const std::vector<std::string> kPaths = {"pool/foo_1_all.deb", "pool/bar_1_all.deb"};
    static const std::vector<std::string> kClients = {"192.0.2.1", "192.0.2.2", "2001:db8::3"};
    Delivery made;
    made.time_ms = kNoon + number;
    made.client = kClients[static_cast<std::size_t>(number) % 3];
    made.archive = "test";
    made.path = kPaths[static_cast<std::size_t>(number) % 2];
    made.digest = kHex;
    made.source = number % 5 == 0 ? "http://mirror.example/test" : "";
    made.bytes_sent = static_cast<std::uint64_t>(number) << 33U;
    made.status = number % 2 == 0 ? 200 : 206;
    made.is_complete = number % 7 != 0;
    return made;
}

bool is_same(const Delivery& a, const Delivery& b)
{
    return a.time_ms == b.time_ms && a.client == b.client && a.archive == b.archive &&
           a.path == b.path && a.digest == b.digest && a.generation == b.generation &&
           a.source == b.source && a.bytes_sent == b.bytes_sent && a.status == b.status &&
           a.is_complete == b.is_complete;
}

/// Ten blocks of ten deliveries.
std::vector<std::string> blocks()
{
    DeliveryEncoder encoder;
    std::vector<std::string> made;
    for (int block = 0; block < 10; ++block) {
        for (int i = 0; i < 10; ++i)
            encoder.add(delivery(block * 10 + i));
        made.push_back(encoder.take_block(block == 4 ? 3 : 0));
    }
    return made;
}

std::string joined(const std::vector<std::string>& blocks)
{
    std::string bytes = DeliveryEncoder::header(kNoon);
    for (const std::string& block : blocks)
        bytes += block;
    return bytes;
}

TEST(DeliverySegment, GivesBackWhatWasPutIn)
{
    int number = 0;
    const auto reading = read_segment(joined(blocks()), [&](const Delivery& read) {
        EXPECT_TRUE(is_same(read, delivery(number))) << number;
        ++number;
    });
    ASSERT_TRUE(reading);
    EXPECT_EQ(number, 100);
    EXPECT_EQ(reading->deliveries, 100U);
    EXPECT_EQ(reading->lost, 3U);
    EXPECT_EQ(reading->damaged_bytes + reading->torn_bytes + reading->unreadable, 0U);
}

TEST(DeliverySegment, ATornTailLosesTheLastBlockOnlyWhereverItIsCut)
{
    const auto parts = blocks();
    const std::string bytes = joined(parts);
    const std::size_t last = bytes.size() - parts.back().size();
    for (std::size_t size = last + 1; size < bytes.size(); ++size) {
        std::uint64_t count = 0;
        const auto reading = read_segment(bytes.substr(0, size), [&](const Delivery& read) {
            EXPECT_TRUE(is_same(read, delivery(static_cast<int>(count))));
            ++count;
        });
        ASSERT_TRUE(reading);
        EXPECT_EQ(count, 90U) << size;
        EXPECT_EQ(reading->torn_bytes, size - last);
    }
}

TEST(DeliverySegment, AFlippedBitNeverShowsAWrongDelivery)
{
    const auto parts = blocks();
    std::string bytes = joined(parts);
    for (std::size_t at = 16; at < bytes.size(); ++at) {
        bytes[at] = static_cast<char>(bytes[at] ^ 4);
        const auto reading = read_segment(bytes, [&](const Delivery& read) {
            EXPECT_TRUE(is_same(read, delivery(static_cast<int>(read.time_ms - kNoon)))) << at;
        });
        bytes[at] = static_cast<char>(bytes[at] ^ 4);
        if (at < 24)
            continue;  // when the segment began: not checked, and nothing depends on it
        ASSERT_TRUE(reading);
        EXPECT_GT(reading->damaged_bytes + reading->torn_bytes, 0U) << at;
        // The first blocks hold the dictionary of all others; a later one takes only itself along.
        if (at > 24 + parts[0].size() + parts[1].size()) {
            EXPECT_EQ(reading->deliveries, 90U) << at;
        }
    }
}

TEST(DeliverySegment, OtherFilesAndVersionsAreRefused)
{
    const auto ignore = [](const Delivery&) {};
    EXPECT_EQ(code_of(read_segment("", ignore)), Errc::malformed);
    std::string newer = joined(blocks());
    newer[8] = 2;
    EXPECT_EQ(code_of(read_segment(newer, ignore)), Errc::stale);
}

TEST(DeliverySegment, AMillionDeliveriesOfAFleetAreTensOfMegabytes)
{
    // 1,000 machines that fetch the same 500 packages: 20,000 stand for the million.
    DeliveryEncoder encoder;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < 20'000; ++i) {
        Delivery made = delivery(0);
        const std::string client = fmt::format("10.0.{}.{}", i / 20 / 250, i / 20 % 250);
        const std::string path =
            fmt::format("pool/main/p/package-{}/package-{}_1.0-1_amd64.deb", i % 500, i % 500);
        const std::string hex = fmt::format("{:064}", i % 500);
        made.client = client;
        made.path = path;
        made.digest = hex;
        encoder.add(made);
        if (i % 1000 == 999)
            bytes += encoder.take_block(0).size();
    }
    EXPECT_LT(bytes * 50, 50'000'000U);
}

class DeliveryFolder : public testing::Test {
protected:
    std::vector<std::filesystem::path> files() const
    {
        std::vector<std::filesystem::path> found;
        for (const auto& entry : std::filesystem::directory_iterator(folder))
            found.push_back(entry.path());
        std::sort(found.begin(), found.end());
        return found;
    }

    const TemporaryFolder temporary_;
    const std::filesystem::path& folder = temporary_.path();
};

TEST_F(DeliveryFolder, RotatesBySizeAndEverySegmentStandsAlone)
{
    SegmentLimits limits;
    limits.segment_bytes = 4096;
    limits.block_bytes = 512;
    {
        DeliverySegments segments(folder, limits);
        for (int i = 0; i < 1000; ++i)
            segments.add(delivery(i));
        ASSERT_TRUE(segments.flush());
    }
    EXPECT_GT(files().size(), 4U);
    const auto whole = find_deliveries(folder, {});
    ASSERT_TRUE(whole);
    ASSERT_EQ(whole->deliveries.size(), 1000U);
    EXPECT_EQ(whole->deliveries.front().time_ms, kNoon);
    EXPECT_EQ(whole->deliveries.back().time_ms, kNoon + 999);
    EXPECT_EQ(whole->reading.unreadable, 0U);
    std::filesystem::remove(files().front());
    const auto rest = find_deliveries(folder, {});
    EXPECT_EQ(rest->reading.unreadable, 0U);
    EXPECT_LT(rest->deliveries.size(), 1000U);
}

TEST_F(DeliveryFolder, RotatesWhenTheDictionaryOrTheDayIsFull)
{
    SegmentLimits limits;
    limits.age = std::chrono::hours(0);
    DeliverySegments by_age(folder, limits);
    for (int i = 0; i < 3; ++i) {
        by_age.add(delivery(i));
        ASSERT_TRUE(by_age.flush());
    }
    EXPECT_EQ(files().size(), 3U);
    limits = {};
    limits.dictionary_bytes = 1;
    DeliverySegments by_dictionary(folder, limits);
    for (int i = 0; i < 2; ++i) {
        by_dictionary.add(delivery(i));
        ASSERT_TRUE(by_dictionary.flush());
    }
    EXPECT_EQ(files().size(), 5U);
}

TEST_F(DeliveryFolder, AnswersWhoGotThis)
{
    DeliverySegments segments(folder);
    for (int i = 0; i < 30; ++i)
        segments.add(delivery(i));
    ASSERT_TRUE(segments.flush());
    DeliveryQuery query;
    query.path = "foo_1_all.deb";
    query.client = "2001:db8::3";
    EXPECT_EQ(find_deliveries(folder, query)->deliveries.size(), 5U);
    query.path = "oo_1_all.deb";  // the end of a name is no path
    EXPECT_EQ(find_deliveries(folder, query)->deliveries.size(), 0U);
    query = {};
    query.digest = std::string(10, 'a');
    query.since_ms = kNoon + 10;
    query.until_ms = kNoon + 20;
    EXPECT_EQ(find_deliveries(folder, query)->deliveries.size(), 10U);
    query.limit = 3;
    const auto newest = find_deliveries(folder, query);
    ASSERT_EQ(newest->deliveries.size(), 3U);
    EXPECT_TRUE(newest->is_cut);
    EXPECT_EQ(newest->deliveries.front().time_ms, kNoon + 17);
    EXPECT_EQ(code_of(find_deliveries(folder / "none", query)), Errc::not_found);
}

TEST_F(DeliveryFolder, WhatCannotBeWrittenIsCountedAndMarked)
{
    const auto blocked = folder / "blocked";
    ASSERT_TRUE(write_file_durably(blocked, "a file where the folder should be"));
    DeliverySegments segments(blocked);
    segments.add(delivery(1));
    segments.add(delivery(2));
    EXPECT_FALSE(segments.flush());
    EXPECT_EQ(segments.failed(), 2U);
    std::filesystem::remove(blocked);
    segments.add_lost(5);
    segments.add(delivery(3));
    ASSERT_TRUE(segments.flush());
    const auto found = find_deliveries(blocked, {});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->deliveries.size(), 1U);
    EXPECT_EQ(found->reading.lost, 7U);
}

TEST_F(DeliveryFolder, OldSegmentsAreForgotten)
{
    DeliverySegments segments(folder);
    segments.add(delivery(1));
    ASSERT_TRUE(segments.flush());
    EXPECT_EQ(segments.remove_before(system_clock::now() - std::chrono::hours(1)), 0U);
    EXPECT_EQ(segments.remove_before(system_clock::now() + std::chrono::hours(1)), 1U);
    EXPECT_TRUE(files().empty());
}

}  // namespace
}  // namespace aptward::store
