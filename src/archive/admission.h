// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Who may have the bytes of a private archive: clients whose own credentials its first upstream
// accepted lately (archive-reality 14). Private to archive/.
//
// What is kept of credentials is a digest that is slow to guess from, so that a copy of the state
// gives none away; the last accepted ones stay in memory, to fetch with while they are fresh.

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "fetch/source.h"

namespace aptward::archive {

/// The user and password of "Basic ..."; nothing for another scheme or a malformed value. Pure.
/// Spec: RFC 7617 2.
std::optional<fetch::Credentials> parse_basic(std::string_view authorization);

/// Any thread. Bounded: the oldest goes first.
class Admission {
public:
    explicit Admission(std::string salt) : salt_(std::move(salt)) {}

    /// Name of these credentials in the state, when it was made before in this run.
    std::optional<std::string> known_name(const fetch::Credentials& credentials) const;
    /// Makes it. Slow: call on a worker.
    std::string make_name(const fetch::Credentials& credentials);

    /// When the upstream accepted them last.
    std::optional<SystemTime> accepted(const std::string& name) const;
    /// True when the upstream refused them less than a minute ago: it is not asked again so soon.
    bool was_refused_lately(const std::string& name) const;

    /// The upstream did not answer, and these were accepted recently enough: they pass for a minute
    /// before it is asked again.
    void excuse(const std::string& name);
    bool is_excused(const std::string& name) const;

    void accept(const std::string& name, SystemTime now);
    void refuse(const std::string& name);

    /// What survives a restart: name and time of each.
    std::map<std::string, SystemTime> all() const;
    void restore(std::map<std::string, SystemTime> accepted);

private:
    mutable std::mutex mutex_;
    std::string salt_;
    std::map<std::string, std::string> names_;  // quick digest under a salt of this run -> name
    std::map<std::string, SystemTime> accepted_;
    std::map<std::string, SteadyTime> refused_, excused_;
};

}  // namespace aptward::archive
