// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The face of catalog/: generations and the names they prove, in memory and on disk.

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"
#include "catalog/table.h"
#include "trust/trust.h"

namespace aptward::catalog {

/// The signed files of one release as the vendor published them; served byte for byte.
struct ReleaseFiles {
    std::string inrelease;             ///< Empty when the vendor has only the detached form.
    std::string release, release_gpg;  ///< Empty until somebody asked for them.
};

/// One verified release of a suite with the tables of its indexes. Immutable; any thread.
class Generation {
public:
    Generation(trust::VerifiedRelease release, ReleaseFiles files, SystemTime accepted,
               std::string origin_url);

    const std::string& id() const { return release_->id(); }
    /// The first 12 digits, for people and headers.
    std::string short_id() const { return id().substr(0, 12); }
    const trust::VerifiedRelease& verified() const { return *release_; }
    const deb::Release& release() const { return release_->release(); }
    const ReleaseFiles& files() const { return files_; }
    /// When the vendor had it for certain: it was accepted then, or a snapshot host has shown it
    /// for that moment.
    SystemTime accepted() const { return accepted_; }
    SystemTime date() const { return *release().date; }
    /// The source it came from first.
    const std::string& origin_url() const { return origin_url_; }

    /// The listed file that has this hash in this directory ("main/binary-amd64", hex digits).
    const deb::ListedFile* find_by_hash(std::string_view directory, std::string_view hex) const;

    /// A copy with these files, or with this table (null: without one).
    std::shared_ptr<const Generation> with_files(ReleaseFiles files) const;
    std::shared_ptr<const Generation> with_table(const std::string& base,
                                                 std::shared_ptr<const Table> table) const;

    /// Base names ("main/binary-amd64/Packages") of the indexes whose content is in a table.
    const std::map<std::string, std::shared_ptr<const Table>>& tables() const { return tables_; }
    /// Fails with storage when a table that might have it is not readable any more.
    Result<std::optional<Digest>> find_pool(std::string_view path) const;

private:
    Generation(const Generation&) = default;
    std::shared_ptr<const trust::VerifiedRelease> release_;  // by_hash_ points into it
    ReleaseFiles files_;
    SystemTime accepted_;
    std::string origin_url_;
    std::map<std::string, std::shared_ptr<const Table>> tables_;
    std::shared_ptr<const std::unordered_map<std::string, const deb::ListedFile*>> by_hash_;
};
using GenerationPtr = std::shared_ptr<const Generation>;

/// Generations of one suite: the current one and those before it, newest first.
struct SuiteView {
    GenerationPtr current;
    std::vector<GenerationPtr> recent;
    SteadyTime checked{};  ///< When a source last confirmed or gave the current one.
    SystemTime checked_at{};
};

/// All suites of one archive at one moment. Immutable; any thread.
struct ArchiveView {
    std::map<std::string, SuiteView, std::less<>> suites;  ///< By suite path.

    const SuiteView* find(std::string_view suite) const;
    /// Over all current generations first, then the recent ones. Fails as theirs does.
    Result<std::optional<Digest>> find_pool(std::string_view path) const;
};

/// Whether what an index lists is kept in a table: Packages and Sources.
bool is_tabled(std::string_view index_path);
/// The file below `tables/` of a listed index: named by its unpacked content where that is listed.
std::string table_name(const deb::Release& release, const deb::ListedFile& index);

/// Folder `releases/`: one folder a release, written once. docs/formats/store.md.
class Releases {
public:
    struct Stored {
        std::string id, archive, suite, source;
        SystemTime accepted;
        bool is_unverified = false;
        ReleaseFiles files;
    };
    static Result<Releases> open(const std::filesystem::path& state);
    /// For reading only: creates nothing.
    static Releases look_at(const std::filesystem::path& state);

    /// Durable when it returns. An existing one gets the files it lacked.
    Result<void> put(const Stored& release) const;
    Result<Stored> get(const std::string& id) const;
    /// Whether these files are there, byte for byte.
    bool has(const Stored& release) const;
    /// Everything that is there; damaged ones are skipped and named in the log.
    std::vector<Stored> all() const;

private:
    explicit Releases(std::filesystem::path folder) : folder_(std::move(folder)) {}
    std::filesystem::path folder_;
};

/// A generation that was published before, without its tables. `journalled`:
/// SuiteState::releases(). Fails with not_found, untrusted when what is kept is not what the
/// journal vouches for, malformed.
Result<GenerationPtr> recall_generation(const Releases& releases, const std::string& id,
                                        const std::set<std::string>& journalled,
                                        const std::vector<std::string>& signers);

/// With every table of it that is in the folder: which indexes a node has read depends on its
/// clients. Damaged ones are left out and named in the log.
GenerationPtr with_tables(GenerationPtr generation, const std::filesystem::path& tables);

}  // namespace aptward::catalog
