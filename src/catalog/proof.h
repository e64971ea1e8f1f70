// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The question behind `aptward verify`: which held releases name these bytes?

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "catalog/refused.h"
#include "catalog/state.h"

namespace aptward::catalog {

struct ProofQuestion {
    std::vector<Digest> digests;     ///< Of the file, one per algorithm. Sizes are not compared:
                                     ///< equal hashes have equal sizes.
    std::vector<std::string> names;  ///< File names it goes by, without folders.
    std::string release;             ///< Release id, when the file is a release.
    std::string archive;             ///< Only this one; empty: all.
};

/// One place where a held release names the bytes, or other bytes under the same file name.
struct ProofPlace {
    enum class Kind { pool, index, release };
    Kind kind = Kind::pool;
    std::string archive, suite;
    std::string index;  ///< Of pool files: "main/binary-amd64/Packages".
    std::string path;   ///< Below the archive for pool files, below the suite for indexes.
    std::string hash;   ///< Lower-case hexadecimal, of what the release lists.
    std::string generation;
    std::string age;  ///< "current", "recent" (served still), "earlier" (of releases only)
    SystemTime date{};
    std::vector<std::string> signers;  ///< Empty: the archive is configured unverified.
};

struct Proof {
    std::vector<ProofPlace> proven;       ///< Current ones first.
    std::vector<ProofPlace> other_bytes;  ///< Same file name, other digest, in current releases.
    std::vector<Refused::Entry> refused;  ///< Without files.
};

/// What one archive holds. A walk over its tables: call on a worker. Any thread.
/// Fails with storage: what is not read is not known.
Result<void> look_up(const ProofQuestion& question, const std::string& archive,
                     const ArchiveView& view, Proof& proof);
/// What the journal and the evidence say of a release that is not served (any more). State thread.
void look_up_release(const ProofQuestion& question, const SuiteStates& suites,
                     const Refused& refused, Proof& proof);

/// The answer of `/api/v1/proof`.
std::string to_json(const Proof& proof);

/// Everything a state folder proves, read without lock and without writing.
struct Held {
    std::map<std::string, ArchiveView> archives;
    SuiteStates suites;
    std::map<std::string, ArchiveDecisions> decisions;
};
/// Releases and tables that are damaged or missing are left out and named in the log.
Result<Held> read_held(const std::filesystem::path& state);

/// What operators decided about each archive, read in the same way.
Result<std::map<std::string, ArchiveDecisions>> read_decisions(const std::filesystem::path& state);

}  // namespace aptward::catalog
