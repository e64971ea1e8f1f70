// SPDX-License-Identifier: GPL-3.0-or-later
#include "catalog/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <memory>
#include <utility>

#include "base/log.h"

namespace aptward::catalog {
namespace {

struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

bool is_damage(int code)
{
    return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

// SQLite would write its log back by itself after as many pages, and keep quiet when that fails:
// the log goes on growing then, on a disk that has to be looked at.
constexpr int kPagesOfLog = 1000;

int write_back(void*, sqlite3* handle, const char* database, int pages)
{
    if (pages < kPagesOfLog)
        return SQLITE_OK;
    const int code =
        sqlite3_wal_checkpoint_v2(handle, database, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    if (code != SQLITE_OK && code != SQLITE_BUSY)
        log_error("state.failed", {},
                  std::string("state database: writing its log back: ") + sqlite3_errmsg(handle));
    return SQLITE_OK;
}

}  // namespace

std::int64_t Sqlite::Row::number(int column) const
{
    return sqlite3_column_int64(statement_, column);
}
double Sqlite::Row::real(int column) const
{
    return sqlite3_column_double(statement_, column);
}
std::string Sqlite::Row::text(int column) const
{
    const void* bytes = sqlite3_column_blob(statement_, column);
    const int count = sqlite3_column_bytes(statement_, column);
    return bytes == nullptr
               ? std::string()
               : std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(count));
}

Sqlite::Sqlite(Sqlite&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Sqlite& Sqlite::operator=(Sqlite&& other) noexcept
{
    std::swap(handle_, other.handle_);
    return *this;
}

Sqlite::~Sqlite()
{
    if (handle_ != nullptr)
        sqlite3_close_v2(handle_);
}

tl::unexpected<Error> Sqlite::failure(const char* doing) const
{
    const int code = sqlite3_extended_errcode(handle_);
    return fail(is_damage(code) ? Errc::malformed : Errc::storage,
                std::string("state database: ") + doing + ": " + sqlite3_errmsg(handle_));
}

Result<void> Sqlite::check_version(const std::filesystem::path& file, int version)
{
    std::int64_t found = 0;
    TRY_VOID(query("PRAGMA user_version", {}, [&](const Row& row) { found = row.number(0); }));
    if (found <= version)
        return {};
    return fail(Errc::stale,
                fmt::format("{} was written by a newer aptward (version {}, this one knows {}); "
                            "start that version, or give this one a state folder of its own",
                            file.string(), found, version));
}

Result<Sqlite> Sqlite::open(const std::filesystem::path& file, const char* schema, int version)
{
    sqlite3* handle = nullptr;
    const int code =
        sqlite3_open_v2(file.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    Sqlite sqlite(handle);
    if (code != SQLITE_OK)
        return sqlite.failure("opening");
    sqlite3_busy_timeout(handle, 5000);
    TRY_VOID(sqlite.check_version(file, version));
    const std::string setup = fmt::format(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
        "{} PRAGMA user_version = {};",
        schema, version);
    if (sqlite3_exec(handle, setup.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
        return sqlite.failure("preparing");
    sqlite3_wal_hook(handle, write_back, nullptr);
    std::string verdict;
    TRY_VOID(
        sqlite.query("PRAGMA quick_check(1)", {}, [&](const Row& row) { verdict = row.text(0); }));
    if (verdict != "ok")
        return fail(Errc::malformed, "state database: " + verdict);
    return sqlite;
}

Result<void> Sqlite::run(const char* sql, std::initializer_list<Value> values)
{
    return query(sql, values, [](const Row&) {});
}

Result<void> Sqlite::query(const char* sql, std::initializer_list<Value> values,
                           const std::function<void(const Row&)>& visit)
{
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(handle_, sql, -1, &raw, nullptr) != SQLITE_OK)
        return failure(sql);
    const Statement statement(raw);
    int index = 0;
    for (const Value& value : values) {
        ++index;
        if (const auto* number = std::get_if<std::int64_t>(&value))
            sqlite3_bind_int64(raw, index, *number);
        else if (const auto* real = std::get_if<double>(&value))
            sqlite3_bind_double(raw, index, *real);
        else
            sqlite3_bind_text64(raw, index, std::get<std::string>(value).data(),
                                std::get<std::string>(value).size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    for (;;) {
        const int step = sqlite3_step(raw);
        if (step == SQLITE_DONE)
            return {};
        if (step != SQLITE_ROW)
            return failure(sql);
        visit(Row(raw));
    }
}

std::int64_t Sqlite::last_row() const
{
    return sqlite3_last_insert_rowid(handle_);
}

}  // namespace aptward::catalog
