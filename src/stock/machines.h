// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What machines report of themselves (aptward client report), kept below `machines/` of the state
// folder, one file each. docs/formats/machine.md.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "solve/solve.h"

namespace aptward::stock {

inline constexpr std::size_t kMostReportBytes = 16 * 1024 * 1024;
inline constexpr std::size_t kMostMachines = 10'000;  ///< Guess.
/// Of all that is kept: anybody may report. A server's report takes some 200 kB.
inline constexpr std::uint64_t kMostKeptBytes = 1'000'000'000;

/// A line of a machine's sources.
struct Source {
    std::string uri, suite;
    std::vector<std::string> components;  ///< None: flat.
};

struct MachineReport {
    std::string name;  ///< Letters, digits, '-' and '.': "web1.example".
    solve::Machine machine;
    std::vector<Source> sources;
    SystemTime reported{};
    std::string from;  ///< The address that it came from.
};

/// Inverses. Reading fails with malformed, saying which part is wrong; what a solver does not need
/// of the machine's files is left out. Pure.
Result<MachineReport> parse_report(std::string_view json);
std::string to_json(const MachineReport& report);

/// Of dpkg's status only what decides about installing: no descriptions, maintainers or
/// configuration files, and nothing of packages that are gone. Pure.
std::string trim_status(std::string_view status);

/// Whether this can be a machine's name. Pure.
bool is_machine_name(std::string_view name);

/// Any thread; every call blocks on the disk. A crash leaves the old report or the new one.
class Machines {
public:
    explicit Machines(const std::filesystem::path& state) : folder_(state / "machines") {}

    /// In the place of an earlier report of that name. Fails with storage, also when there are
    /// kMostMachines or kMostKeptBytes already.
    Result<void> put(const MachineReport& report) const;
    /// Fails with not_found, naming some that are there; malformed, storage.
    Result<MachineReport> get(const std::string& name) const;
    /// Sorted.
    std::vector<std::string> names() const;
    /// Fails with not_found.
    Result<void> forget(const std::string& name) const;

private:
    std::uint64_t bytes() const;
    std::filesystem::path path_of(const std::string& name) const
    {
        return folder_ / (name + ".json");
    }
    std::filesystem::path folder_;
};

}  // namespace aptward::stock
