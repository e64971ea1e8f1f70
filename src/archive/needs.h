// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Which held files are needed, and by whom: found by walking the releases that the journal
// remembers. On a job's thread; private to archive/.

#include <functional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "archive/eviction.h"
#include "archive/remembered.h"

namespace aptward::archive {

class Needs {
public:
    /// When `goes_on` says no, a walk ends.
    Needs(Services& services, Remembered remembered, std::function<bool()> goes_on)
        : services_(services), remembered_(std::move(remembered)), goes_on_(std::move(goes_on))
    {
    }

    /// Looks at every held file and every release. Fails with storage; stale when told to stop.
    Result<void> find();

    /// After find().
    const std::vector<HeldFile>& files() const { return files_; }
    /// Indexes that clients of what is served use and of which no form is held, in words. What they
    /// name is not known: so what nobody else needs counts as served.
    const std::set<std::string>& unread() const { return unread_; }
    /// The number of the file that has this name.
    std::optional<std::size_t> number_of(const Digest& digest) const;
    /// Where these files are named, of those that are: a walk once more.
    Result<std::unordered_map<std::size_t, std::string>> names(
        const std::set<std::size_t>& numbers);
    /// The table files that what is served, or kept, is answered from.
    const std::set<std::string>& tables() const { return tables_; }

private:
    /// One release of one suite.
    struct Place {
        std::string archive, suite;
        catalog::GenerationPtr generation;
        Need need = Need::past;
        std::vector<std::string> used;  ///< Indexes that clients use.
        bool is_current = false;        ///< Served, and of no ring alone.
    };
    using Visit = std::function<Result<void>(const Place&)>;

    Result<void> walk_files();
    std::optional<std::size_t> number_of_key(const std::array<std::uint8_t, 16>& key) const;
    Result<void> walk_releases(const Visit& visit);
    Result<void> mark(const Place& place);
    void mark(const Digest& digest, Need need);
    Result<void> build_missing_tables(Place& place);
    Result<void> build_table_of(const deb::Release& release, const deb::ListedFile& file);
    void note_tables(const catalog::Generation& generation);

    Services& services_;
    const Remembered remembered_;
    std::set<std::string> unread_;
    const std::function<bool()> goes_on_;
    std::vector<HeldFile> files_;  // by key
    struct SecondName {
        std::array<std::uint8_t, 16> key;
        std::uint32_t number;
    };
    std::vector<SecondName> sha512_names_;  // by key
    std::set<std::string> tables_;
};

}  // namespace aptward::archive
