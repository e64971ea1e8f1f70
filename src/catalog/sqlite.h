// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The thinnest useful layer over SQLite. Private to catalog/.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <string>
#include <variant>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace aptward::catalog {

class Sqlite {
public:
    using Value = std::variant<std::int64_t, double, std::string>;
    class Row {
    public:
        explicit Row(sqlite3_stmt* statement) : statement_(statement) {}
        std::int64_t number(int column) const;
        double real(int column) const;
        std::string text(int column) const;

    private:
        sqlite3_stmt* statement_;
    };

    /// WAL, synchronous=FULL. `version`: of the schema; what another program made of a newer one
    /// is left as it is.
    /// Fails with malformed when the file is no sound database, stale for a newer version, storage.
    static Result<Sqlite> open(const std::filesystem::path& file, const char* schema, int version);
    Sqlite(Sqlite&& other) noexcept;
    Sqlite& operator=(Sqlite&& other) noexcept;
    Sqlite(const Sqlite&) = delete;
    Sqlite& operator=(const Sqlite&) = delete;
    ~Sqlite();

    Result<void> run(const char* sql, std::initializer_list<Value> values);
    Result<void> query(const char* sql, std::initializer_list<Value> values,
                       const std::function<void(const Row&)>& visit);
    std::int64_t last_row() const;

private:
    explicit Sqlite(sqlite3* handle) : handle_(handle) {}
    tl::unexpected<Error> failure(const char* doing) const;
    Result<void> check_version(const std::filesystem::path& file, int version);
    sqlite3* handle_;
};

}  // namespace aptward::catalog
