// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What a machine, or a list of packages, would fetch from what releases list, and what of it is
// held. The choice is apt's own (solve/); which bytes are meant is the proven tables' word.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "solve/solve.h"
#include "stock/machines.h"
#include "store/private_marks.h"
#include "store/store.h"

namespace aptward::stock {

/// An archive as it is looked at: as it is served, or with a release that is about to be.
struct NamedView {
    std::string archive;  ///< Its id.
    std::shared_ptr<const catalog::ArchiveView> view;
};
/// The archive that a source's URI means; nothing when none of this node's does. Any thread.
using FindView = std::function<std::optional<NamedView>(const std::string& uri)>;

/// Whose wishes are computed.
struct Subject {
    std::string name;
    solve::Machine machine;
    std::vector<Source> sources;
    /// Each is wanted, as "apt-get install NAME" would get it.
    std::vector<std::string> packages;
    /// The same, but only asked about.
    std::vector<std::string> asked;
    /// Whether what is installed, and its upgrades, is wanted as well.
    bool has_machine = false;
    /// Whether all that the sources list is wanted.
    bool wants_everything = false;
};
Subject subject_of(const MachineReport& report);

/// A file that the subject would fetch.
struct Needed {
    std::string package, version, architecture;
    std::string archive, suite, path;  ///< Of the copy that is held, else the first.
    Digest digest;
    bool is_held = false;
    bool is_wanted = false;  ///< By the machine or the list: not only asked about.
};

struct SubjectStock {
    std::string name;
    /// What its sources lead to, as far as a release of it is held.
    struct Place {
        std::string archive, suite;
    };
    std::vector<Place> places;
    std::vector<Needed> needs;  ///< Each once.
    struct Asked {
        std::string package;
        std::string why_not;             ///< apt would refuse it; empty: it would not.
        std::vector<std::size_t> needs;  ///< Numbers in SubjectStock::needs.
        /// Whether it installs with what is held.
        bool installs(const SubjectStock& stock) const;
    };
    std::vector<Asked> asked;           ///< What was wanted by name, then what was asked about.
    std::string cannot_upgrade;         ///< Why apt could not upgrade the machine; empty: it could.
    std::vector<std::string> unlisted;  ///< Installed, in versions that no index lists.
    std::vector<solve::PhasedOut> phased_out;
    std::vector<std::string> not_from_here;  ///< Sources that no archive of this node has.
    std::vector<std::string> unread;         ///< Suites or indexes that are not held.
};

struct Lookup {
    crypto::Spawner& spawner;
    const store::Blobs& blobs;
    const store::PrivateMarks& private_marks;
    FindView find;
};

/// Blocks for seconds. Any thread. Fails as solve() does, and with storage.
Result<SubjectStock> look_at(const Lookup& lookup, const Subject& subject);

}  // namespace aptward::stock
