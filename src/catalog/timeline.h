// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Which generation of a suite stood at a moment. Pure.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace aptward::catalog {

/// A generation that this node has shown to clients.
struct Published {
    std::string release;               ///< Its id.
    SystemTime date{};                 ///< The release's own: since when it was the vendor's.
    SystemTime published{};            ///< When this node showed it first.
    std::vector<std::string> signers;  ///< Primary fingerprints; empty: nothing had to be proven.
    /// Of one that no client got as current, and only a snapshot host has shown: the last moment
    /// for which it did. `published` is when that was asked then.
    std::optional<SystemTime> stood_at{};
};

/// Of one suite, in the order in which they were shown: the current one is the last. No release
/// stands there twice.
using Timeline = std::vector<Published>;

/// Makes it the current one. One that was shown before keeps the time of that.
void note_published(Timeline& timeline, Published published);

/// What the vendor had at `time`, of what this node had shown up to `known`: the release of the
/// latest date up to then, and of two of one date the one shown last. Null before the first.
///
/// By the vendor's date and not by when it came here: so that nodes agree, also with the vendors'
/// own snapshot services.
const Published* find_at(const Timeline& timeline, SystemTime time,
                         SystemTime known = SystemTime::max());

/// The same of both what was shown and what only snapshot hosts have, which stands behind.
const Published* find_at(const Timeline& shown, const Timeline& from_hosts, SystemTime time,
                         SystemTime known = SystemTime::max());

/// Whether that answers for `time`: what was shown does, for all that came after it; what a
/// snapshot host has shown only up to the moment for which it did.
bool is_known_at(const Timeline& shown, const Timeline& from_hosts, SystemTime time,
                 SystemTime known = SystemTime::max());

/// A snapshot host has shown it for a moment, once more or for the first time.
void note_from_host(Timeline& from_hosts, Published published);

/// The last one that this node had shown at `time`; before the first it is the first. Null of an
/// empty timeline.
const Published* find_shown(const Timeline& timeline, SystemTime time);

/// "20260430T120000Z", as in the URLs of snapshot services.
std::string format_stamp(SystemTime time);
/// The same; "20260430" is the beginning of that day. Nothing for any other form, or a moment that
/// no calendar has.
std::optional<SystemTime> parse_stamp(std::string_view text);

}  // namespace aptward::catalog
