// SPDX-License-Identifier: GPL-3.0-or-later
#include "catalog/state.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "catalog/descriptions.h"
#include "catalog/journal_copy.h"
#include "catalog/replay.h"
#include "catalog/sqlite.h"
#include "store/journal.h"

namespace aptward::catalog {
namespace {

using Json = nlohmann::json;

// Raised only when an older program would misread the tables: it refuses a newer version.
constexpr int kSchemaVersion = 1;
constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS suites (archive TEXT, suite TEXT, state TEXT NOT NULL,"
    " PRIMARY KEY (archive, suite)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER,"
    " code TEXT, archive TEXT, suite TEXT, source TEXT, message TEXT, who TEXT, evidence TEXT);"
    "CREATE TABLE IF NOT EXISTS sources (url TEXT PRIMARY KEY, latency REAL, rate REAL,"
    " failures INTEGER) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS source_faults (url TEXT PRIMARY KEY, fault TEXT, time INTEGER,"
    " good INTEGER, open_until INTEGER, distrusted_until INTEGER) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, kind TEXT, who TEXT, state INTEGER,"
    " started INTEGER, ended INTEGER, done INTEGER, total INTEGER, unit TEXT, message TEXT,"
    " options TEXT, cursor TEXT, result TEXT);"
    "CREATE TABLE IF NOT EXISTS journal_lines (number INTEGER PRIMARY KEY, entry TEXT NOT NULL);";

}  // namespace

struct State::Database {
    Sqlite sqlite;
    store::Journal journal;
    std::size_t lines = 0;  // of the journal
    Replayed decided;
    bool was_rebuilt = false;
    JournalDamage damage;

    std::vector<Event> events(const char* sql, std::int64_t after, std::size_t limit)
    {
        std::vector<Event> events;
        auto read = sqlite.query(
            sql, {after, static_cast<std::int64_t>(limit)}, [&](const Sqlite::Row& row) {
                events.push_back({row.number(0), from_unix(row.number(1)), row.text(2), row.text(3),
                                  row.text(4), row.text(5), row.text(6), row.text(7), row.text(8)});
            });
        if (!read)
            log_error("state.failed", {}, read.error().message());
        return events;
    }

    Result<void> save(const std::string& archive, const std::string& suite)
    {
        return sqlite.run("INSERT OR REPLACE INTO suites VALUES (?, ?, ?)",
                          {archive, suite, to_json(decided.suites[{archive, suite}]).dump()});
    }

    Result<void> append(Json entry)
    {
        entry["time"] = to_unix(system_now());
        const std::string line = entry.dump();
        TRY_VOID(journal.append(line));
        if (const auto copied = put_in_copy(sqlite, lines++, line); !copied)
            log_error("state.failed", {}, copied.error().message());
        apply_entry(decided, entry);
        return {};
    }

    // The journal has it: that is the commit. A projection that falls behind is repaired at the
    // next start.
    Result<void> decide(const Json& entry)
    {
        TRY_VOID(append(entry));
        if (const auto saved = save(entry.value("archive", ""), entry.value("suite", "")); !saved)
            log_error("state.failed", {}, saved.error().message());
        return {};
    }
};

State::State(std::unique_ptr<Database> database) : database_(std::move(database)) {}
State::~State() = default;
bool State::was_rebuilt() const
{
    return database_->was_rebuilt;
}

State::JournalDamage State::journal_damage() const
{
    return database_->damage;
}

Result<std::unique_ptr<State>> State::open(const std::filesystem::path& state)
{
    const auto file = state / "aptward.db";
    bool was_lost = !std::filesystem::exists(file);
    auto sqlite = Sqlite::open(file, kSchema, kSchemaVersion);
    if (!sqlite && sqlite.error().code() == Errc::malformed) {
        std::error_code ignored;
        for (const char* suffix : {"", "-wal", "-shm"})
            std::filesystem::rename(file.string() + suffix, file.string() + suffix + ".damaged",
                                    ignored);
        log_error("state.rebuilt", {{"file", file.string()}},
                  "the state database was damaged; it was set aside and rebuilt from the journal");
        was_lost = true;
        sqlite = Sqlite::open(file, kSchema, kSchemaVersion);
    }
    if (!sqlite && sqlite.error().code() == Errc::stale)
        return tl::unexpected<Error>(sqlite.error());
    if (!sqlite) {
        // A full disk: the database is a projection, and what is held is served without it (I6).
        log_error("state.unwritable", {{"file", file.string()}},
                  sqlite.error().message() +
                      "; events and what was learned of sources are kept in memory only");
        sqlite = Sqlite::open(":memory:", kSchema, kSchemaVersion);
    }
    if (!sqlite)
        return tl::unexpected<Error>(sqlite.error());
    const store::JournalLines copy = read_copy(*sqlite);
    TRY(auto journal, store::open_journal(state / "journal", copy));
    const auto entries = store::entries_of(journal.lines);
    const JournalDamage damage{journal.mended_lines, journal.lines.size() - entries.size()};
    if (damage.mended_lines > 0)
        log_error("journal.mended", {{"lines", std::to_string(damage.mended_lines)}},
                  "lines of the journal were damaged or gone, and are back from the database");
    if (damage.lost_lines > 0)
        log_error("journal.damaged", {{"lines", std::to_string(damage.lost_lines)}},
                  "lines of the journal do not match their checksums and were skipped");
    // The journal is the truth: replaying it whole also repairs a projection that fell behind.
    auto decided = replay(entries);
    // An entry that nobody reads must not come back when an operator takes it out.
    const auto copied = follow(*sqlite, decided ? journal.lines : store::JournalLines(), copy);
    if (!copied)
        log_error("state.failed", {}, copied.error().message());
    if (!decided)
        return tl::unexpected<Error>(std::move(decided).error());
    auto database = std::make_unique<Database>(
        Database{std::move(*sqlite), std::move(journal.journal), journal.lines.size(),
                 std::move(*decided), was_lost && !entries.empty(), damage});
    for (const auto& [key, suite] : database->decided.suites)
        if (const auto saved = database->save(key.first, key.second); !saved)
            log_error("state.failed", {{"suite", key.second}}, saved.error().message());
    return std::unique_ptr<State>(new State(std::move(database)));
}

std::map<std::pair<std::string, std::string>, SuiteState> State::suites() const
{
    return database_->decided.suites;
}

Result<void> State::publish(const std::string& archive, const std::string& suite,
                            const trust::Floor& floor, const Published& release)
{
    const trust::Floor& before = database_->decided.suites[{archive, suite}].floor;
    if (before.date && floor.date < before.date && before.approved.count(release.release) == 0)
        return fail(Errc::stale, "a newer release was published meanwhile");
    return database_->decide({{"kind", "published"},
                              {"archive", archive},
                              {"suite", suite},
                              {"floor", to_json(floor)},
                              {"release", release.release},
                              {"date", to_unix(release.date)},
                              {"published", to_unix(release.published)}});
}

Result<void> State::note_from_host(const std::string& archive, const std::string& suite,
                                   const Published& release)
{
    return database_->decide({{"kind", "from-host"},
                              {"archive", archive},
                              {"suite", suite},
                              {"release", release.release},
                              {"signers", release.signers},
                              {"date", to_unix(release.date)},
                              {"published", to_unix(release.published)},
                              {"stood-at", to_unix(release.stood_at.value_or(release.date))}});
}

Result<void> State::approve(const std::string& archive, const std::string& suite,
                            const std::string& release_id, const std::string& who)
{
    return database_->decide({{"kind", "approved"},
                              {"archive", archive},
                              {"suite", suite},
                              {"release", release_id},
                              {"who", who}});
}

Result<void> State::approve_keys(const std::string& archive, const std::set<std::string>& keys,
                                 const std::string& who)
{
    return database_->append(
        {{"kind", "keys"}, {"archive", archive}, {"approved", keys}, {"who", who}});
}

ArchiveDecisions State::decisions(const std::string& archive) const
{
    const auto found = database_->decided.archives.find(archive);
    return found == database_->decided.archives.end() ? ArchiveDecisions() : found->second;
}

Result<void> State::keep_snapshot(const std::string& archive, const std::string& name,
                                  SystemTime at, const std::string& who)
{
    return database_->append({{"kind", "snapshot"},
                              {"archive", archive},
                              {"name", name},
                              {"at", to_unix(at)},
                              {"who", who}});
}

Result<void> State::drop_snapshot(const std::string& archive, const std::string& name,
                                  const std::string& who)
{
    return database_->append(
        {{"kind", "snapshot-dropped"}, {"archive", archive}, {"name", name}, {"who", who}});
}

Result<void> State::freeze(const std::string& archive, const ArchiveDecisions::Freeze& order)
{
    return database_->append({{"kind", "frozen"},
                              {"archive", archive},
                              {"at", to_unix(order.at)},
                              {"since", to_unix(order.since)},
                              {"who", order.who}});
}

Result<void> State::thaw(const std::string& archive, const std::string& who)
{
    return database_->append({{"kind", "thawed"}, {"archive", archive}, {"who", who}});
}

std::map<std::string, PeerOrder> State::peers() const
{
    return database_->decided.peers;
}

Result<void> State::add_peer(const std::string& url, const PeerOrder& order)
{
    return database_->append(
        {{"kind", "peer"}, {"url", url}, {"identity", order.identity}, {"who", order.who}});
}

Result<void> State::remove_peer(const std::string& url, const std::string& who)
{
    return database_->append({{"kind", "peer-removed"}, {"url", url}, {"who", who}});
}

Result<void> State::note_used(const std::string& archive, const std::string& suite,
                              const std::string& index_base)
{
    return database_->decide(
        {{"kind", "used"}, {"archive", archive}, {"suite", suite}, {"index", index_base}});
}

Result<std::int64_t> State::add_event(const Event& event)
{
    TRY_VOID(database_->sqlite.run(
        "INSERT INTO events (time, code, archive, suite, source, message, who, evidence)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        {to_unix(event.time), event.code, event.archive, event.suite, event.source, event.message,
         event.who, event.evidence}));
    return database_->sqlite.last_row();
}

std::vector<Event> State::events(std::int64_t after, std::size_t limit) const
{
    auto events = database_->events(
        "SELECT number, time, code, archive, suite, source, message, who, evidence FROM events"
        " WHERE number > ? ORDER BY number DESC LIMIT ?",
        after, limit);
    std::reverse(events.begin(), events.end());
    return events;
}

std::vector<Event> State::events_from(std::int64_t after, std::size_t limit) const
{
    return database_->events(
        "SELECT number, time, code, archive, suite, source, message, who, evidence FROM events"
        " WHERE number > ? ORDER BY number LIMIT ?",
        after, limit);
}

Result<void> State::put_sources(const std::map<std::string, SourceState>& sources)
{
    for (const auto& [url, source] : sources) {
        TRY_VOID(database_->sqlite.run("INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?)",
                                       {url, source.latency_ms, source.rate_bytes_per_s,
                                        static_cast<std::int64_t>(source.failures_in_a_row)}));
        TRY_VOID(
            database_->sqlite.run("INSERT OR REPLACE INTO source_faults VALUES (?, ?, ?, ?, ?, ?)",
                                  {url, source.last_fault, to_unix(source.last_fault_time),
                                   to_unix(source.last_good_time), to_unix(source.open_until),
                                   to_unix(source.distrusted_until)}));
    }
    return {};
}

std::map<std::string, SourceState> State::sources() const
{
    std::map<std::string, SourceState> sources;
    auto read = database_->sqlite.query(
        "SELECT url, latency, rate, failures, fault, time, good, open_until,"
        " distrusted_until FROM sources LEFT JOIN"
        " source_faults USING (url)",
        {}, [&](const Sqlite::Row& row) {
            sources[row.text(0)] = {row.real(1),
                                    row.real(2),
                                    static_cast<std::uint64_t>(row.number(3)),
                                    row.text(4),
                                    from_unix(row.number(5)),
                                    from_unix(row.number(6)),
                                    from_unix(row.number(7)),
                                    from_unix(row.number(8))};
        });
    if (!read)
        log_error("state.failed", {}, read.error().message());
    return sources;
}

Result<void> State::put_job(const JobRecord& job)
{
    TRY_VOID(database_->sqlite.run(
        "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        {job.id, job.kind, job.who, static_cast<std::int64_t>(job.state), to_unix(job.started),
         to_unix(job.ended), static_cast<std::int64_t>(job.done),
         static_cast<std::int64_t>(job.total), job.unit, job.message, job.options, job.cursor,
         job.result}));
    // Of each kind, so that frequent ones leave the rare ones' last ends in memory.
    return database_->sqlite.run(
        "DELETE FROM jobs WHERE kind = ? AND id NOT IN "
        "(SELECT id FROM jobs WHERE kind = ? ORDER BY id DESC LIMIT ?)",
        {job.kind, job.kind, kJobsKept});
}

std::vector<JobRecord> State::jobs() const
{
    std::vector<JobRecord> jobs;
    auto read = database_->sqlite.query(
        "SELECT id, kind, who, state, started, ended, done, total, unit, message, options, cursor,"
        " result FROM jobs ORDER BY id",
        {}, [&](const Sqlite::Row& row) {
            const auto state = std::clamp<std::int64_t>(
                row.number(3), 0, static_cast<std::int64_t>(JobRecord::State::interrupted));
            jobs.push_back({row.number(0), row.text(1), row.text(2),
                            static_cast<JobRecord::State>(state), from_unix(row.number(4)),
                            from_unix(row.number(5)), static_cast<std::uint64_t>(row.number(6)),
                            static_cast<std::uint64_t>(row.number(7)), row.text(8), row.text(9),
                            row.text(10), row.text(11), row.text(12)});
        });
    if (!read)
        log_error("state.failed", {}, read.error().message());
    return jobs;
}

std::string_view to_string(JobRecord::State state)
{
    switch (state) {
        case JobRecord::State::queued:
            return "queued";
        case JobRecord::State::running:
            return "running";
        case JobRecord::State::done:
            return "done";
        case JobRecord::State::failed:
            return "failed";
        case JobRecord::State::cancelled:
            return "cancelled";
        case JobRecord::State::interrupted:
            return "interrupted";
    }
    return "";
}

Result<void> State::put_fact(const std::string& key, const std::string& value)
{
    return database_->sqlite.run("INSERT OR REPLACE INTO facts VALUES (?, ?)", {key, value});
}

std::optional<std::string> State::fact(const std::string& key) const
{
    std::optional<std::string> value;
    auto read = database_->sqlite.query("SELECT value FROM facts WHERE key = ?", {key},
                                        [&](const Sqlite::Row& row) { value = row.text(0); });
    if (!read)
        log_error("state.failed", {}, read.error().message());
    return value;
}

}  // namespace aptward::catalog
