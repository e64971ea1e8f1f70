// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What an archive was at moments before now: snapshots, and the one that it is frozen to.
//
// A moment means the generations that the vendor had then, across all suites, as far as this node
// has shown them (catalog/timeline.h). Views are composed on the control loop, when somebody asks,
// and read by the loops as those of now are. Private to archive/;
// docs/decisions/0017-time-travel.md.

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "archive/turns.h"
#include "catalog/catalog.h"
#include "catalog/state.h"
#include "http/task.h"

namespace aptward::archive {

class Archive;

/// An archive as it was. Immutable; any thread.
struct PastView {
    SystemTime at{};         ///< The last change up to the moment that was asked for.
    bool is_frozen = false;  ///< Without what came here after the order.
    catalog::ArchiveView view;
    std::map<std::string, std::string> lost;  ///< By suite: why its generation is not to be had.
};
using PastViewPtr = std::shared_ptr<const PastView>;

struct Frozen {
    catalog::ArchiveDecisions::Freeze order;
    PastViewPtr past;
};
using FrozenPtr = std::shared_ptr<const Frozen>;

/// What `aptward snapshot list` shows of one generation.
struct PastGeneration {
    std::string suite;
    catalog::Published published;
};

class Past {
public:
    explicit Past(Archive& archive);

    /// The moment that everybody gets instead of now; null: none. Any thread.
    FrozenPtr frozen() const { return frozen_.load(); }

    /// Where a stamp or a name leads.
    struct Moment {
        std::optional<SystemTime> change;  ///< The last one up to it; nothing: refused.
        std::string code, message;         ///< Why.
    };
    /// Any thread.
    std::optional<SystemTime> time_of(std::string_view stamp_or_name) const;
    Moment find(std::string_view stamp_or_name) const;
    Moment find(SystemTime time) const;

    /// The view of a `change` that find() gave; null when it cannot be had in time. Any loop.
    http::Async<PastViewPtr> view_at(SystemTime change);

    /// The view that has taken the place of `past` since: more of its indexes are read. Any thread.
    PastViewPtr newest(const PastViewPtr& past) const;

    /// A client showed that it holds a newer list of a suite than the frozen one, or that it holds
    /// none. Any thread.
    void note_newer(const std::string& client, const std::string& suite);
    void note_none(const std::string& client, const std::string& suite);
    /// Those that hold newer lists than the frozen ones, as far as is known. Any thread.
    std::vector<std::string> newer_clients() const;

    /// Somebody asked for a suite of the freeze that could not be had: maybe now. Any thread.
    void try_again();

    /// By name. Any thread.
    std::map<std::string, SystemTime> snapshots() const { return moments_.load()->names; }
    /// Of the snapshot `name`. Fails with not_found. Any thread.
    Result<SystemTime> moment_of(const std::string& name) const;

    // Control loop from here on.

    /// Asks the snapshot hosts for what is not known of these suites at a moment. Which are not to
    /// be had, and why.
    using NotHad = std::map<std::string, std::string>;
    http::Async<NotHad> look_at_hosts(SystemTime moment, std::vector<std::string> suites);
    /// Of all that are served.
    http::Async<NotHad> look_at_hosts(SystemTime moment);

    /// At the start, and again when decisions were made while a configuration was read.
    http::Async<void> restore(catalog::ArchiveDecisions decisions);
    /// The time that a release which is shown now gets: one that a freeze leaves out.
    SystemTime time_to_publish() const;
    /// A suite has shown a release of this date: what was composed of moments after it is stale.
    void note_published(SystemTime date);
    /// Of a view that somebody asked for lately; null else.
    catalog::GenerationPtr find_generation(const std::string& suite, const std::string& id) const;
    /// A table came to a generation.
    void replace(const std::string& suite, const catalog::GenerationPtr& generation);
    /// Keys were revoked or approved: nothing composed before holds.
    http::Async<void> compose_again();

    /// Fail with not_found for a moment before the first generation, or without a freeze; malformed
    /// for one to come; storage. What they give is a sentence for the operator.
    http::Task<std::string> freeze(SystemTime at, std::string who);
    http::Task<std::string> thaw(std::string who);
    /// Keeps what the moment needs; under its stamp when `name` is empty.
    http::Task<std::string> keep(std::string name, SystemTime at, std::string who);
    /// `name`: as it was kept, or a stamp; then what is kept of the same state, if that is one.
    http::Task<std::string> drop(std::string name, std::string who);

    std::vector<PastGeneration> generations() const;

private:
    struct Asking {
        std::shared_ptr<http::Signal> signal;
        NotHad not_had;  // those that have not answered yet as well
        std::size_t pending = 0;
    };
    static constexpr std::size_t kViewsKept = 16;
    struct Moments {
        std::vector<SystemTime> changes;  // sorted
        std::map<std::string, SystemTime> names;
    };
    using Views = std::deque<PastViewPtr>;

    static http::Async<void> ask_for(std::shared_ptr<Archive> archive,
                                     std::shared_ptr<Asking> asking, std::string suite,
                                     SystemTime moment);
    void note_changes();
    Result<std::string> name_kept(const std::string& name_or_stamp) const;
    PastViewPtr known_view(SystemTime change) const;
    enum class For { asked, freeze };
    http::Async<PastViewPtr> compose(SystemTime at, SystemTime known, For purpose);
    http::Async<PastViewPtr> compose_in_turn(SystemTime change);
    http::Async<void> freeze_in_turn(catalog::ArchiveDecisions::Freeze order);
    void thaw_in_turn();
    void forget();
    void note_holders(const Frozen& frozen);
    std::string frozen_sentence(const Frozen& frozen, const NotHad& not_had) const;
    http::Async<void> find_newer_clients(std::shared_ptr<Archive> archive, FrozenPtr frozen);
    Moment find(SystemTime time, std::string_view as_written) const;
    Result<void> check_moment(SystemTime at) const;
    bool is_served(const std::string& suite) const;
    void tell(std::string code, std::string message, std::string who) const;

    Archive& archive_;
    std::atomic<FrozenPtr> frozen_;
    std::atomic<std::shared_ptr<const Moments>> moments_;
    std::atomic<std::shared_ptr<const Views>> views_;  // the newest first
    // Control loop: one composes or decides at a time, and what was composed before the age changed
    // is of a state that is gone.
    Turns composing_;
    std::uint64_t age_ = 0;
    std::atomic<SteadyTime> tried_again_{SteadyTime{}};
    mutable std::mutex newer_mutex_;  // while frozen, and for refused clients only
    std::set<std::pair<std::string, std::string>> newer_;  // client and suite
};

}  // namespace aptward::archive
