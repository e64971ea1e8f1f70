// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Which packages somebody needs who asks for a few: those and what they depend on, by a simple
// rule. Of each name the newest version; of alternatives the first that exists, by its own name or
// because another package provides it. Version bounds, conflicts, Recommends and what a machine has
// installed are not looked at: that is for a solver. Private to bundle/. Pure.

#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "deb/deb.h"

namespace aptward::bundle {

/// The packages of one architecture.
class Closure {
public:
    /// `origin`: where they were listed; comes back with what is chosen.
    /// Fails with malformed as the scans of deb/ do.
    Result<void> add(std::string text, std::size_t origin);

    struct Chosen {
        std::string_view name, path;
        std::size_t origin = 0;
    };
    struct Outcome {
        std::vector<Chosen> chosen;     ///< By name.
        std::set<std::string> unknown;  ///< Names that were asked for, and nobody has.
        /// "needs X, of which no index ...": dependencies that nothing meets, by what has them.
        std::map<std::string, std::string> unmet;
    };
    /// The views live as long as this object.
    Outcome resolve(const std::vector<std::string>& names) const;

private:
    struct Candidate {
        deb::PackageFields fields;
        std::string_view path;
        std::size_t origin = 0;
    };
    const Candidate* find(std::string_view name) const;

    std::deque<std::string> texts_;
    std::map<std::string_view, Candidate> packages_;
    std::map<std::string_view, std::string_view> provided_;  // virtual name -> who, first by name
};

}  // namespace aptward::bundle
