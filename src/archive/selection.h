// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Which part of an archive is meant: by component, architecture, section and package. A mirror job
// and an export choose by it alike. Pure.

#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "archive/settings.h"
#include "deb/deb.h"

namespace aptward::archive {

/// What an operator asks for. An empty list: all.
struct Selection {
    std::vector<std::string> components, architectures;
    /// Packages in one of these sections, and these packages with all that they need.
    std::vector<std::string> sections, packages;
    bool has_recommends = true;  ///< What they need includes what they recommend, as in apt.
    bool has_sources = false, has_contents = false;
};

/// An index that is meant, whatever its compression.
struct ChosenIndex {
    std::string base;  ///< "main/binary-amd64/Packages"
    deb::IndexKind kind = deb::IndexKind::other;
    /// Its component and its architecture were named: then no source may lack it. Releases list
    /// much that nobody publishes.
    bool is_named = false;
};

/// The indexes of a release that `selection` means. Where it names no components or architectures,
/// those count that `known` names for the suite, else all. Patches (pdiffs) and installers are
/// never meant; udebs are when the component is named ("main/debian-installer"). Fails with
/// not_found for a component or architecture that the release does not have, naming those that it
/// has.
Result<std::vector<ChosenIndex>> choose_indexes(const deb::Release& release,
                                                const std::string& suite,
                                                const Selection& selection,
                                                const std::vector<KnownSuite>& known);

/// A file below the archive that is meant.
struct ChosenFile {
    std::size_t suite = 0;  ///< As add() was told.
    std::string path;
    Digest digest;
};

/// Chooses among what the indexes of one or several suites list. Packages need one another across
/// suites: so all indexes are added before anything is chosen.
class FileChooser {
public:
    explicit FileChooser(const Selection& selection) : selection_(selection) {}

    /// Fails with malformed as the scans of deb/ do.
    Result<void> add(std::size_t suite, deb::IndexKind kind, std::string text);

    /// Sorted, each path of a suite once. Fails with not_found for packages or sections that no
    /// index names.
    Result<std::vector<ChosenFile>> choose() &&;

private:
    struct Record {
        std::size_t suite;
        deb::PackageFields fields;
        std::vector<ChosenFile> files;
        bool is_source = false, is_chosen = false;
    };
    using Names = std::vector<std::string_view>;
    void need(std::string_view field, Names& needed);
    void choose_packages();
    void choose_sections();
    void choose_sources();
    Result<void> check_sections() const;
    Result<void> check_packages() const;

    const Selection selection_;
    std::deque<std::string> texts_;  // the records' fields are views of them
    std::vector<Record> records_;
    std::vector<ChosenFile> files_;  // without packages and sections, all
    // By name, the records of packages called so, and of those that provide it.
    std::map<std::string_view, std::vector<std::size_t>> called_, provided_;
};

}  // namespace aptward::archive
