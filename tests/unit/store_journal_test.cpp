// SPDX-License-Identifier: GPL-3.0-or-later
#include "store/journal.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "base/temporary_folder.h"

namespace aptward::store {
namespace {

class JournalTest : public testing::Test {
protected:
    const TemporaryFolder folder =
        *TemporaryFolder::make(std::filesystem::temp_directory_path(), "aptward-journal");
    const std::filesystem::path file = folder.path() / "journal";
};

TEST_F(JournalTest, TheJournalCutsATornLineAndSkipsADamagedOne)
{
    {
        auto opened = open_journal(file);
        ASSERT_TRUE(opened && opened->journal.append("{\"a\":1}") &&
                    opened->journal.append("{\"b\":2}") && opened->journal.append("{\"c\":3}"));
    }
    std::string bytes = *read_file(file, 1 << 20);
    bytes[bytes.find("{\"b\"") + 2] = 'x';
    ASSERT_TRUE(write_file_durably(file, bytes + "0123456789abcdef {\"torn"));
    auto again = open_journal(file);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->lines, (JournalLines{"{\"a\":1}", "", "{\"c\":3}"}));
    ASSERT_TRUE(again->journal.append("{\"d\":4}"));
    EXPECT_EQ(open_journal(file)->lines.back(), "{\"d\":4}");
}

TEST_F(JournalTest, R7_WhatIsDamagedOrGoneOfTheJournalComesBackFromItsCopy)
{
    const JournalLines copy = {"{\"a\":1}", "{\"b\":2}", "{\"c\":3}"};
    {
        auto opened = open_journal(file);
        ASSERT_TRUE(opened);
        for (const std::string& line : copy)
            ASSERT_TRUE(opened->journal.append(line));
    }
    const std::string whole = *read_file(file, 1 << 20);
    for (std::size_t at = 0; at < whole.size(); ++at) {  // a rotten byte anywhere, and an end there
        std::string rotten = whole;
        rotten[at] = static_cast<char>(rotten[at] ^ 1);
        for (const std::string& bytes : {rotten, whole.substr(0, at)}) {
            ASSERT_TRUE(write_file_durably(file, bytes));
            auto opened = open_journal(file, copy);
            ASSERT_TRUE(opened);
            ASSERT_EQ(entries_of(opened->lines), copy) << at;
            ASSERT_GT(opened->mended_lines, 0U);
            ASSERT_EQ(*read_file(file, 1 << 20), whole) << at;
            ASSERT_TRUE(opened->journal.append("{\"d\":4}"));
            ASSERT_EQ(open_journal(file)->lines.size(), 4U);
        }
    }
    EXPECT_TRUE(std::filesystem::exists(file.string() + ".damaged"));
}

// Serving goes on; a line behind the gap would make the copy that of another journal.
TEST_F(JournalTest, R4_R7_AJournalThatCannotBeMendedIsReadAndTakesNothing)
{
    const JournalLines copy = {"{\"a\":1}", "{\"b\":2}", "{\"c\":3}"};
    ASSERT_TRUE(open_journal(file)->journal.append(copy[0]));
    const std::string before = *read_file(file, 1 << 20);
    ::signal(SIGXFSZ, SIG_IGN);
    ::rlimit all{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &all), 0);
    ::rlimit small = all;
    small.rlim_cur = before.size();
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    auto opened = open_journal(file, copy);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &all), 0);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->lines, copy);
    const auto appended = opened->journal.append("{\"d\":4}");
    ASSERT_FALSE(appended);
    EXPECT_EQ(appended.error().message().rfind("the journal cannot be mended: ", 0), 0U);
    EXPECT_EQ(*read_file(file, 1 << 20), before);
    EXPECT_EQ(open_journal(file, copy)->mended_lines, 2U);
}

TEST_F(JournalTest, TheCopyOfAnotherJournalMendsNothing)
{
    JournalLines lines = {"{\"a\":1}", "", "{\"c\":3}"};
    const JournalLines before = lines;
    EXPECT_EQ(mend(lines, {"{\"a\":2}", "{\"b\":2}", "{\"c\":3}", "{\"d\":4}"}), 0U);
    EXPECT_EQ(lines, before);
    EXPECT_EQ(mend(lines, {"{\"a\":1}"}), 0U) << "what the copy lacks stays damaged";
    EXPECT_EQ(lines, before);
    EXPECT_EQ(mend(lines, {"{\"a\":1}", "{\"b\":2}"}), 1U);
    EXPECT_EQ(lines, (JournalLines{"{\"a\":1}", "{\"b\":2}", "{\"c\":3}"}));
}

// What a full disk leaves of a line must not be glued to the next one, which is acknowledged.
TEST_F(JournalTest, R3_R4_AJournalLineThatDidNotFitIsCutOffBeforeTheNext)
{
    auto opened = open_journal(file);
    ASSERT_TRUE(opened);
    ASSERT_TRUE(opened->journal.append(R"({"kind":"first"})"));
    ::signal(SIGXFSZ, SIG_IGN);
    ::rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    ::rlimit small = before;
    small.rlim_cur = std::filesystem::file_size(file) + 20;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    EXPECT_FALSE(opened->journal.append(R"({"kind":"too long for the disk"})"));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    ASSERT_TRUE(opened->journal.append(R"({"kind":"acknowledged"})"));
    const auto again = open_journal(file);
    ASSERT_TRUE(again);
    ASSERT_EQ(again->lines.size(), 2U);
    EXPECT_EQ(again->lines.back(), R"({"kind":"acknowledged"})");
}

}  // namespace
}  // namespace aptward::store
