// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"
#include "catalog/refused.h"
#include "catalog/state.h"
#include "catalog/table.h"
#include "code_of.h"
#include "crypto/crypto.h"
#include "store/journal.h"
#include "temporary_folder.h"

namespace aptward::catalog {
namespace {

class CatalogTest : public testing::Test {
protected:
    const TemporaryFolder temporary_;
    const std::filesystem::path& folder = temporary_.path();
};

TEST_F(CatalogTest, ATableFindsEveryPathAndNoOther)
{
    std::vector<std::string> paths;
    for (int i = 0; i < 5000; ++i)
        paths.push_back("pool/main/p/package" + std::to_string(i) + ".deb");
    TableBuilder builder;
    for (const std::string& path : paths)
        builder.add(path, crypto::digest_of(path));
    builder.add(paths.front(), crypto::digest_of("another"));  // the first one wins
    builder.add("wide", crypto::digest_of("wide", HashAlgorithm::sha512));
    ASSERT_TRUE(write_file_durably(folder / "t", *std::move(builder).finish()));
    const auto table = Table::open(folder / "t");
    ASSERT_TRUE(table) << table.error().message();
    for (const std::string& path : paths)
        ASSERT_EQ(*(*table)->find(path), crypto::digest_of(path));
    EXPECT_EQ(*(*table)->find("wide"), crypto::digest_of("wide", HashAlgorithm::sha512));
    EXPECT_FALSE(*(*table)->find("pool/main/p/package5000.deb"));
    EXPECT_FALSE(*(*table)->find(""));
    EXPECT_FALSE(*(*table)->find(std::string(5000, 'x')));
    EXPECT_FALSE((*table)->is_broken());
}

TEST_F(CatalogTest, R7_ADamagedTableIsRefused)
{
    const Digest digest = crypto::digest_of("x");
    TableBuilder builder;
    builder.add("x", digest);
    const std::string bytes = *std::move(builder).finish();
    for (const std::size_t at : {std::size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
        std::string damaged = bytes;
        damaged[at] = static_cast<char>(damaged[at] ^ 1);
        ASSERT_TRUE(write_file_durably(folder / "t", damaged));
        const auto table = Table::open(folder / "t");
        ASSERT_FALSE(table);
        EXPECT_EQ(table.error().code(), Errc::malformed);
    }
    EXPECT_EQ(code_of(Table::open(folder / "none")), Errc::not_found);
}

TEST_F(CatalogTest, R7_ATableThatIsCutWhileItIsOpenIsNoEndOfTheNode)
{
    TableBuilder builder;
    std::vector<std::string> paths;
    for (int i = 0; i < 3000; ++i)
        paths.push_back("pool/main/p/package" + std::to_string(i) + ".deb");
    for (const std::string& path : paths)
        builder.add(path, crypto::digest_of(path));
    ASSERT_TRUE(write_file_durably(folder / "t", *std::move(builder).finish()));
    const auto table = Table::open(folder / "t");
    ASSERT_TRUE(table);
    std::filesystem::resize_file(folder / "t", 100);
    EXPECT_FALSE((*table)->is_broken());
    int unreadable = 0;
    for (const std::string& path : paths) {
        const auto found = (*table)->find(path);
        ASSERT_TRUE(!found || *found) << "not known is not absent";
        unreadable += found ? 0 : 1;
    }
    EXPECT_GT(unreadable, 2900);
    EXPECT_TRUE((*table)->is_broken());
    EXPECT_FALSE((*table)->each([](std::string_view, const Digest&) {}));
}

// The bytes of a table with the entry "x" of SHA-256, in two buckets of which one is empty. Layout:
// the top of table.cpp.
struct SmallTable {
    static constexpr std::size_t kBuckets = 32, kEntry = kBuckets + 2 * 8, kKeyBytes = kEntry + 8;

    SmallTable()
    {
        TableBuilder builder;
        builder.add("x", crypto::digest_of("x"));
        bytes = *std::move(builder).finish();
    }
    /// Damage that the sum at the end does not show.
    void sum_up()
    {
        bytes.resize(bytes.size() - 32);
        const Digest sum = crypto::digest_of(bytes);
        bytes.append(sum.hash.begin(), sum.hash.begin() + 32);
    }
    std::string bytes;
};

TEST_F(CatalogTest, ATableWithoutAnEmptyBucketIsRefused)
{
    SmallTable table;
    const bool is_first_empty =
        table.bytes.compare(SmallTable::kBuckets + 4, 4, "\xff\xff\xff\xff") == 0;
    const std::size_t empty = SmallTable::kBuckets + (is_first_empty ? 0 : 8);
    const std::size_t full = SmallTable::kBuckets + (is_first_empty ? 8 : 0);
    table.bytes.replace(empty, 8, table.bytes.substr(full, 8));
    table.sum_up();
    ASSERT_TRUE(write_file_durably(folder / "t", table.bytes));
    EXPECT_EQ(code_of(Table::open(folder / "t")), Errc::malformed);  // a look-up would never end
}

TEST_F(CatalogTest, R7_ATableThatChangesWhileItIsOpenIsNotReadPastItsEnd)
{
    SmallTable table;
    ASSERT_TRUE(write_file_durably(folder / "t", table.bytes));
    for (const char key_bytes : {'\0', '\2', '\x7f'}) {
        const auto opened = Table::open(folder / "t");
        ASSERT_TRUE(opened);
        std::string changed = table.bytes;
        changed[SmallTable::kKeyBytes] = key_bytes;
        std::fstream(folder / "t", std::ios::in | std::ios::out)
            .write(changed.data(), std::ssize(changed));
        EXPECT_FALSE((*opened)->each([](std::string_view, const Digest&) {}));
        EXPECT_TRUE((*opened)->is_broken());
        std::fstream(folder / "t", std::ios::in | std::ios::out)
            .write(table.bytes.data(), std::ssize(table.bytes));
    }
}

trust::Floor floor_at(const std::string& id, std::int64_t date)
{
    trust::Floor floor;
    floor.release_id = id;
    floor.date = from_unix(date);
    floor.signers = {"F"};
    return floor;
}

Published release_of(const std::string& id, std::int64_t date)
{
    return {id, from_unix(date), from_unix(1000 + date), {}};
}

TEST_F(CatalogTest, R9_R10_WhatWasPublishedSurvivesTheLossOfTheDatabase)
{
    {
        const auto state = State::open(folder);
        ASSERT_TRUE(state) << state.error().message();
        ASSERT_TRUE((*state)->publish("a", "stable", floor_at("one", 10), release_of("one", 10)));
        ASSERT_TRUE((*state)->publish("a", "stable", floor_at("two", 20), release_of("two", 20)));
        ASSERT_TRUE((*state)->note_used("a", "stable", "main/binary-amd64/Packages.xz"));
        ASSERT_TRUE((*state)->approve("a", "stable", "three", "root"));
    }
    for (const bool is_corrupt : {false, true}) {
        if (is_corrupt) {
            std::filesystem::remove(folder / "aptward.db-wal");
            ASSERT_TRUE(write_file_durably(folder / "aptward.db", std::string(8192, 'x')));
        } else {
            std::filesystem::remove(folder / "aptward.db");
        }
        const auto state = State::open(folder);
        ASSERT_TRUE(state) << state.error().message();
        EXPECT_TRUE((*state)->was_rebuilt());
        const SuiteState suite = (*state)->suites().at({"a", "stable"});
        EXPECT_EQ(suite.current(), "two");
        EXPECT_EQ(suite.releases(), (std::set<std::string>{"one", "two"}));
        EXPECT_EQ(suite.floor.date, from_unix(20));
        EXPECT_EQ(suite.floor.approved, std::set<std::string>{"three"});
        EXPECT_EQ(suite.used.size(), 1U);
    }
}

// Else the database would bring back what an operator has to take out.
TEST_F(CatalogTest, R24_AnEntryThatNobodyReadsStaysOutWhenItIsTakenOut)
{
    {
        const auto state = State::open(folder);
        ASSERT_TRUE(state) << state.error().message();
        ASSERT_TRUE((*state)->publish("a", "stable", floor_at("one", 10), release_of("one", 10)));
    }
    const auto file = folder / "journal";
    const std::string before = *read_file(file, 1 << 20);
    {
        auto opened = store::open_journal(file);
        ASSERT_TRUE(opened && opened->journal.append(R"({"kind":"published","archive":7})"));
    }
    EXPECT_FALSE(State::open(folder));
    EXPECT_FALSE(State::open(folder)) << "as often as it is tried";
    ASSERT_TRUE(write_file_durably(file, before));
    const auto state = State::open(folder);
    ASSERT_TRUE(state) << state.error().message();
    EXPECT_EQ((*state)->journal_damage().mended_lines, 0U);
    EXPECT_EQ((*state)->suites().at({"a", "stable"}).current(), "one");
    EXPECT_EQ(*read_file(file, 1 << 20), before);
}

TEST_F(CatalogTest, R9_PeersThatOperatorsAddedSurviveTheLossOfTheDatabase)
{
    {
        const auto state = State::open(folder);
        ASSERT_TRUE(state) << state.error().message();
        ASSERT_TRUE((*state)->add_peer("http://b.example", {"b+01020304+KEY", "root"}));
        ASSERT_TRUE((*state)->add_peer("http://c.example", {"", "root"}));
        ASSERT_TRUE((*state)->remove_peer("http://c.example", "root"));
        EXPECT_EQ((*state)->peers().size(), 1U);
    }
    std::filesystem::remove(folder / "aptward.db");
    const auto state = State::open(folder);
    ASSERT_TRUE(state) << state.error().message();
    const auto peers = (*state)->peers();
    ASSERT_EQ(peers.size(), 1U);
    EXPECT_EQ(peers.at("http://b.example").identity, "b+01020304+KEY");
    EXPECT_EQ(peers.at("http://b.example").who, "root");
    EXPECT_TRUE((*state)->suites().empty());
}

TEST_F(CatalogTest, R9_WhatOperatorsDecidedAboutTimeSurvivesTheLossOfTheDatabase)
{
    {
        const auto state = State::open(folder);
        ASSERT_TRUE(state) << state.error().message();
        ASSERT_TRUE((*state)->keep_snapshot("a", "good", from_unix(10), "root"));
        ASSERT_TRUE((*state)->keep_snapshot("a", "bad", from_unix(20), "root"));
        ASSERT_TRUE((*state)->drop_snapshot("a", "bad", "root"));
        ASSERT_TRUE((*state)->freeze("a", {from_unix(15), from_unix(99), "root"}));
        ASSERT_TRUE((*state)->freeze("b", {from_unix(15), from_unix(99), "root"}));
        ASSERT_TRUE((*state)->thaw("b", "root"));
    }
    std::filesystem::remove(folder / "aptward.db");
    const auto state = State::open(folder);
    ASSERT_TRUE(state) << state.error().message();
    const ArchiveDecisions decided = (*state)->decisions("a");
    EXPECT_EQ(decided.snapshots, (std::map<std::string, SystemTime>{{"good", from_unix(10)}}));
    ASSERT_TRUE(decided.freeze);
    EXPECT_EQ(decided.freeze->at, from_unix(15));
    EXPECT_EQ(decided.freeze->since, from_unix(99));
    EXPECT_EQ(decided.freeze->who, "root");
    EXPECT_FALSE((*state)->decisions("b").freeze);
    EXPECT_FALSE((*state)->decisions("c").approved_keys);
}

TEST(Timeline, AMomentMeansTheLatestDateUpToIt)
{
    Timeline timeline;
    EXPECT_EQ(find_at(timeline, from_unix(100)), nullptr);
    for (const Published& one : Timeline{{"one", from_unix(10), from_unix(1000), {}},
                                         {"two", from_unix(20), from_unix(1010), {}},
                                         {"again", from_unix(20), from_unix(1020), {}},
                                         {"three", from_unix(30), from_unix(1030), {}},
                                         {"one", from_unix(10), from_unix(1040), {}}})
        note_published(timeline, one);
    const auto release_at = [&](std::int64_t time, std::int64_t known = 5000) {
        const Published* found = find_at(timeline, from_unix(time), from_unix(known));
        return found == nullptr ? std::string() : found->release;
    };
    EXPECT_EQ(timeline.size(), 4U);
    EXPECT_EQ(timeline.back().release, "one") << "brought back by an operator";
    EXPECT_EQ(release_at(9), "");
    EXPECT_EQ(release_at(10), "one");
    EXPECT_EQ(release_at(19), "one");
    EXPECT_EQ(release_at(20), "again") << "of two of one date the one shown last";
    EXPECT_EQ(release_at(1000), "three");
    EXPECT_EQ(release_at(1000, 1025), "again") << "what came later was not known";
    EXPECT_EQ(release_at(1000, 1010), "two");
    EXPECT_EQ(release_at(10, 1005), "one") << "what comes back was known from its first time on";
}

TEST(Timeline, WhatASnapshotHostShowedAnswersUpToTheMomentForWhichItDid)
{
    const Timeline shown = {{"three", from_unix(30), from_unix(1030), {}, {}}};
    Timeline from_hosts;
    note_from_host(from_hosts, {"one", from_unix(10), from_unix(2000), {}, from_unix(12)});
    note_from_host(from_hosts, {"one", from_unix(10), from_unix(2001), {}, from_unix(15)});
    note_from_host(from_hosts, {"one", from_unix(10), from_unix(2002), {}, from_unix(11)});
    ASSERT_EQ(from_hosts.size(), 1U);
    EXPECT_EQ(from_hosts.front().stood_at, from_unix(15));
    for (const auto& [time, is_known] : std::map<std::int64_t, bool>{
             {9, false}, {10, true}, {15, true}, {16, false}, {29, false}, {30, true}, {99, true}})
        EXPECT_EQ(is_known_at(shown, from_hosts, from_unix(time)), is_known) << time;
    EXPECT_EQ(find_at(shown, from_hosts, from_unix(20))->release, "one");
    EXPECT_EQ(find_at(shown, from_hosts, from_unix(40))->release, "three");
    EXPECT_EQ(find_at(shown, from_hosts, from_unix(20), from_unix(1999)), nullptr)
        << "it came after the order";
}

TEST_F(CatalogTest, R9_WhatASnapshotHostShowedSurvivesAndChangesNothingThatIsCurrent)
{
    {
        const auto state = State::open(folder);
        ASSERT_TRUE(state) << state.error().message();
        ASSERT_TRUE((*state)->publish("a", "stable", floor_at("two", 20), release_of("two", 20)));
        ASSERT_TRUE((*state)->note_from_host(
            "a", "stable", {"one", from_unix(10), from_unix(3000), {"F"}, from_unix(15)}));
    }
    std::filesystem::remove(folder / "aptward.db");
    const auto state = State::open(folder);
    ASSERT_TRUE(state) << state.error().message();
    const SuiteState suite = (*state)->suites().at({"a", "stable"});
    EXPECT_EQ(suite.current(), "two");
    EXPECT_EQ(suite.floor.release_id, "two");
    EXPECT_EQ(suite.releases(), (std::set<std::string>{"one", "two"}));
    ASSERT_EQ(suite.from_hosts.size(), 1U);
    EXPECT_EQ(suite.from_hosts.front().stood_at, from_unix(15));
    EXPECT_EQ(suite.from_hosts.front().signers, std::vector<std::string>{"F"});
}

TEST(Timeline, StampsAreThoseOfSnapshotServices)
{
    EXPECT_EQ(format_stamp(from_unix(1777550400)), "20260430T120000Z");
    EXPECT_EQ(parse_stamp("20260430T120000Z"), from_unix(1777550400));
    EXPECT_EQ(parse_stamp("20240229T235959Z"), from_unix(1709251199));
    EXPECT_EQ(parse_stamp("29990101T000000Z"), from_unix(32472144000));
    EXPECT_EQ(format_stamp(from_unix(32472144000)), "29990101T000000Z");
    EXPECT_EQ(parse_stamp("20260430"), from_unix(1777507200));  // as snapshot.debian.org reads it
    for (const char* text :
         {"", "2026043", "20260431", "20260430T120000", "20260430T120000z", "20260431T120000Z",
          "20230229T000000Z", "20260430T240000Z", "20260430T126000Z", "20260430T120060Z",
          "2026043OT120000Z", "20260430 120000Z", "+0260430T120000Z", "20260430T120000Z "})
        EXPECT_FALSE(parse_stamp(text)) << text;
}

TEST_F(CatalogTest, EventsAreNumberedForEver)
{
    const auto state = State::open(folder);
    ASSERT_TRUE(state);
    Event event;
    event.code = "test";
    for (int i = 1; i <= 5; ++i)
        EXPECT_EQ((*state)->add_event(event), i);
    const auto events = (*state)->events(2, 2);
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events.back().number, 5);
}

TEST_F(CatalogTest, ATableIsWalkedInItsOrder)
{
    const Digest wide = crypto::digest_of("b", HashAlgorithm::sha512);
    TableBuilder builder;
    builder.add("z", crypto::digest_of("a"));
    builder.add("a", wide);
    builder.add("z", wide);  // the first one wins here too
    ASSERT_TRUE(write_file_durably(folder / "t", *std::move(builder).finish()));
    const auto table = Table::open(folder / "t");
    ASSERT_TRUE(table);
    std::vector<std::pair<std::string, Digest>> found;
    ASSERT_TRUE((*table)->each(
        [&](std::string_view path, const Digest& digest) { found.emplace_back(path, digest); }));
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0], std::pair(std::string("z"), crypto::digest_of("a")));
    EXPECT_EQ(found[1], std::pair(std::string("a"), wide));
}

Refused::Entry refusal(int number)
{
    Refused::Entry entry;
    entry.id = crypto::digest_of(std::to_string(number)).hex();
    entry.archive = "debian";
    entry.suite = "bookworm";
    entry.source = "http://mirror.example/debian";
    entry.code = "release.rollback";
    entry.message = "it is old";
    entry.time = from_unix(1'000 + number);
    entry.files.inrelease = "text " + std::to_string(number);
    return entry;
}

// Whoever publishes last is not always whoever judged last: a retired archive may be late.
TEST_F(CatalogTest, V27_TheJournalledFloorGoesBackOnlyByAnApproval)
{
    const auto state = State::open(folder);
    ASSERT_TRUE(state) << state.error().message();
    ASSERT_TRUE((*state)->publish("a", "stable", floor_at("two", 20), release_of("two", 20)));
    EXPECT_EQ(code_of((*state)->publish("a", "stable", floor_at("one", 10), release_of("one", 10))),
              Errc::stale);
    EXPECT_EQ((*state)->suites().at({"a", "stable"}).current(), "two");
    ASSERT_TRUE((*state)->approve("a", "stable", "one", "root"));
    EXPECT_TRUE((*state)->publish("a", "stable", floor_at("one", 10), release_of("one", 10)));
    EXPECT_EQ((*state)->suites().at({"a", "stable"}).floor.date, from_unix(10));
}

TEST_F(CatalogTest, V34_AnUnprovenSignatureTakesNoPlaceOfAProvenOne)
{
    const auto releases = Releases::open(folder);
    ASSERT_TRUE(releases);
    Releases::Stored proven{std::string(64, 'a'), "vendor", "stable", "", from_unix(1), false, {}};
    proven.files.inrelease = "text, signed by the vendor";
    Releases::Stored observed = proven;
    observed.is_unverified = true;
    observed.files.inrelease = "text, signed by a stranger";
    ASSERT_TRUE(releases->put(observed));
    ASSERT_TRUE(releases->put(proven));
    EXPECT_EQ(releases->get(proven.id)->files.inrelease, proven.files.inrelease);
    EXPECT_FALSE(releases->get(proven.id)->is_unverified);
    ASSERT_TRUE(releases->put(observed));
    EXPECT_EQ(releases->get(proven.id)->files.inrelease, proven.files.inrelease);
    EXPECT_FALSE(releases->get(proven.id)->is_unverified);
}

TEST_F(CatalogTest, R7_ADamagedFileOfAReleaseIsWrittenAgain)
{
    const auto releases = Releases::open(folder);
    ASSERT_TRUE(releases);
    Releases::Stored stored{std::string(64, 'a'), "vendor", "stable", "", from_unix(1), false, {}};
    stored.files.inrelease = "the whole text";
    ASSERT_TRUE(releases->put(stored));
    ASSERT_TRUE(write_file_durably(folder / "releases" / stored.id / "InRelease", "the wh"));
    ASSERT_TRUE(releases->put(stored));
    EXPECT_EQ(releases->get(stored.id)->files.inrelease, stored.files.inrelease);
}

// JSON still, but not ours: the library's accessors throw there.
TEST_F(CatalogTest, R7_ADescriptionWithValuesOfOtherTypesIsDamaged)
{
    const auto releases = Releases::open(folder);
    const auto refused = Refused::open(folder);
    ASSERT_TRUE(releases && refused);
    const Releases::Stored stored{std::string(64, 'a'), "vendor", "s", "", from_unix(1), false, {}};
    for (const char* json : {R"({"archive": 1})", R"({"source": null})", R"({"accepted": "x"})",
                             R"({"accepted": 1e300})", R"({"unverified": "no"})"}) {
        ASSERT_TRUE(releases->put(stored));
        ASSERT_TRUE(write_file_durably(folder / "releases" / stored.id / "release.json", json));
        EXPECT_EQ(code_of(releases->get(stored.id)), Errc::malformed) << json;
        EXPECT_TRUE(releases->all().empty());
    }
    for (const char* json : {R"({"code": []})", R"({"time": 1.5})", R"({"cut": 1})"}) {
        ASSERT_TRUE(refused->put(refusal(1)));
        ASSERT_TRUE(write_file_durably(folder / "refused" / refusal(1).id / "refused.json", json));
        EXPECT_EQ(code_of(refused->get(refusal(1).id)), Errc::malformed) << json;
        EXPECT_TRUE(refused->all().empty());
    }
}

TEST(Replay, AnEntryInAnotherFormIsNotTakenForNone)
{
    const std::string good =
        R"({"kind":"published","archive":"a","suite":"s","floor":{"date":7},"release":"r"})";
    for (const char* json :
         {R"({"kind":1})", R"({"kind":"published","archive":1})", R"({"kind":"used","index":[]})",
          R"({"kind":"published","archive":"a","suite":"s","floor":{"date":1e300}})",
          R"({"kind":"keys","archive":"a","approved":"x"})",
          R"({"kind":"published","archive":"a","suite":"s","release":"r","date":"x"})",
          R"({"kind":"snapshot","archive":"a","name":"n","at":1e300})",
          R"({"kind":"frozen","archive":"a","at":"x"})"})
        EXPECT_EQ(code_of(replay({good, json})), Errc::malformed) << json;
    const auto decided = replay({good, R"({"kind":"of a newer version","archive":"a"})"});
    ASSERT_TRUE(decided);
    EXPECT_EQ(decided->suites.at({"a", "s"}).floor.date, from_unix(7));
}

TEST_F(CatalogTest, V42_RefusedReleasesAreKeptWithSourceAndVerdict)
{
    const auto refused = Refused::open(folder);
    ASSERT_TRUE(refused);
    ASSERT_TRUE(refused->put(refusal(1)));
    Refused::Entry again = refusal(1);
    again.source = "http://other.example/debian";
    ASSERT_TRUE(refused->put(again));  // the first of equal ones stays
    const auto kept = Refused::look_at(folder).get(refusal(1).id);
    ASSERT_TRUE(kept) << kept.error().message();
    EXPECT_EQ(kept->files.inrelease, "text 1");
    EXPECT_EQ(kept->source, "http://mirror.example/debian");
    EXPECT_EQ(kept->code, "release.rollback");
    EXPECT_EQ(kept->time, from_unix(1'001));
    EXPECT_FALSE(kept->is_cut);
    EXPECT_FALSE(refused->get("../../etc"));
    Refused::Entry evil = refusal(2);
    evil.id = "../../evil";
    EXPECT_FALSE(refused->put(evil));
}

TEST_F(CatalogTest, V42_EvidenceIsBoundedAndTheOldestGoes)
{
    const auto refused = Refused::open(folder);
    ASSERT_TRUE(refused);
    std::filesystem::create_directories(folder / "refused" / refusal(9'999).id);  // of a crash
    const int count = static_cast<int>(kMostRefused) + 5;
    for (int number = 0; number < count; ++number)
        ASSERT_TRUE(refused->put(refusal(number)));
    const auto all = refused->all();
    ASSERT_EQ(all.size(), kMostRefused);
    EXPECT_EQ(all.front().id, refusal(5).id);
    EXPECT_EQ(all.back().id, refusal(count - 1).id);
    EXPECT_FALSE(std::filesystem::exists(folder / "refused" / refusal(9'999).id));
    Refused::Entry large = refusal(count);
    large.files.inrelease = std::string(kLargestRefused + 1, 'x');
    ASSERT_TRUE(refused->put(large));
    const auto cut = refused->get(large.id);
    ASSERT_TRUE(cut);
    EXPECT_TRUE(cut->is_cut);
    EXPECT_EQ(cut->files.inrelease.size(), kLargestRefused);
}

}  // namespace
}  // namespace aptward::catalog
