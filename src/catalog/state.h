// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The state repository: what the node remembers between runs. The journal is the truth for
// decisions and floors; the SQLite database is a projection that is rebuilt when it is lost.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "catalog/timeline.h"
#include "trust/trust.h"

namespace aptward::catalog {

/// One thing that happened, numbered for ever: the durable event stream.
struct Event {
    std::int64_t number = 0;
    SystemTime time{};
    std::string code, archive, suite, source, message;
    std::string who;       ///< "node", or the operator who asked for it.
    std::string evidence;  ///< Release id or digest, where there is one.
};

/// What is known of a suite.
struct SuiteState {
    trust::Floor floor;
    Timeline timeline;              ///< Every generation that was shown and is not forgotten.
    Timeline from_hosts;            ///< What only snapshot hosts have shown, of moments before.
    std::vector<std::string> used;  ///< Index base names that clients use.

    /// Release id of what is shown; empty: nothing yet.
    std::string current() const { return timeline.empty() ? "" : timeline.back().release; }
    /// Ids of what the journal vouches for.
    std::set<std::string> releases() const;
};

/// By (archive, suite).
using SuiteStates = std::map<std::pair<std::string, std::string>, SuiteState>;

/// What operators decided about an archive.
struct ArchiveDecisions {
    std::optional<std::set<std::string>> approved_keys;  ///< Nothing: it was never served.
    /// By name, or by stamp where none was given: what these moments need is not evicted.
    std::map<std::string, SystemTime> snapshots;
    /// The moment that clients are given instead of now.
    struct Freeze {
        SystemTime at{}, since{};
        std::string who;
    };
    std::optional<Freeze> freeze;
};

/// Another node that an operator told this one to ask.
struct PeerOrder {
    std::string identity;  ///< The only key that it may have; empty: any.
    std::string who;
};

/// What the entries of a journal add up to.
struct Replayed {
    SuiteStates suites;
    std::map<std::string, ArchiveDecisions> archives;
    std::map<std::string, PeerOrder> peers;  ///< By URL.
};
/// Fails with malformed for an entry of a known kind in another form. Pure.
Result<Replayed> replay(const std::vector<std::string>& journal_entries);

struct SourceState {
    double latency_ms = 0, rate_bytes_per_s = 0;
    std::uint64_t failures_in_a_row = 0;
    std::string last_fault;  ///< "wrong-bytes: ..."; empty: none
    SystemTime last_fault_time{}, last_good_time{}, open_until{}, distrusted_until{};
};

/// A long piece of work as it is remembered, also over restarts.
struct JobRecord {
    enum class State { queued, running, done, failed, cancelled, interrupted };
    std::int64_t id = 0;
    std::string kind, who;
    State state = State::queued;
    SystemTime started{}, ended{};
    std::uint64_t done = 0, total = 0;  ///< In `unit`; total 0: not known.
    std::string unit, message;
    std::string options;  ///< JSON: what it was asked to do.
    std::string cursor;   ///< Where to go on; only its kind reads it.
    std::string result;   ///< JSON: what it found, so far.
};
/// "queued", "running", ...
std::string_view to_string(JobRecord::State state);

/// Every call blocks on the disk. Lives on the state thread.
class State {
public:
    /// Opens or creates `state/journal` and `state/aptward.db`. A damaged database is set aside
    /// and rebuilt from the journal; `was_rebuilt()` says so. What is damaged or gone of the
    /// journal comes back from the copy in the database; `journal_damage()` says so.
    /// Fails with stale for a database of a newer program, malformed for a journal of none,
    /// storage.
    static Result<std::unique_ptr<State>> open(const std::filesystem::path& state);
    ~State();
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    bool was_rebuilt() const;
    struct JournalDamage {
        std::size_t mended_lines = 0;  ///< At this start.
        std::size_t lost_lines = 0;    ///< Now: nobody knows what they said.
    };
    JournalDamage journal_damage() const;

    /// By (archive, suite).
    std::map<std::pair<std::string, std::string>, SuiteState> suites() const;

    /// Journals the floor and makes a release current: the commit of a publication. A crash leaves
    /// the old generation or the new one.
    Result<void> publish(const std::string& archive, const std::string& suite,
                         const trust::Floor& floor, const Published& release);
    /// What a snapshot host had at a moment (`release.stood_at`). It changes no floor, and nothing
    /// that is current.
    Result<void> note_from_host(const std::string& archive, const std::string& suite,
                                const Published& release);
    /// An operator's approval of a release that the policy refused.
    Result<void> approve(const std::string& archive, const std::string& suite,
                         const std::string& release_id, const std::string& who);
    /// The keys of an archive that count from now on: all of them, as primary fingerprints.
    Result<void> approve_keys(const std::string& archive, const std::set<std::string>& keys,
                              const std::string& who);
    /// What was decided about an archive.
    ArchiveDecisions decisions(const std::string& archive) const;
    /// Keeps the moment `at` under a name, in the place of an older one of that name.
    Result<void> keep_snapshot(const std::string& archive, const std::string& name, SystemTime at,
                               const std::string& who);
    Result<void> drop_snapshot(const std::string& archive, const std::string& name,
                               const std::string& who);
    /// Clients of the archive get the state of a moment, until thaw().
    Result<void> freeze(const std::string& archive, const ArchiveDecisions::Freeze& order);
    Result<void> thaw(const std::string& archive, const std::string& who);
    /// By URL, those that operators added and did not remove.
    std::map<std::string, PeerOrder> peers() const;
    Result<void> add_peer(const std::string& url, const PeerOrder& order);
    Result<void> remove_peer(const std::string& url, const std::string& who);
    Result<void> note_used(const std::string& archive, const std::string& suite,
                           const std::string& index_base);

    Result<std::int64_t> add_event(const Event& event);
    /// Newest last; at most `limit` after `after`.
    std::vector<Event> events(std::int64_t after, std::size_t limit) const;
    /// The first `limit` after `after`, oldest first: for reading on without a gap.
    std::vector<Event> events_from(std::int64_t after, std::size_t limit) const;

    Result<void> put_sources(const std::map<std::string, SourceState>& sources);
    std::map<std::string, SourceState> sources() const;

    /// Adds or replaces by id; the oldest of its kind beyond kJobsKept are forgotten.
    static constexpr std::int64_t kJobsKept = 200;
    Result<void> put_job(const JobRecord& job);
    /// Oldest first.
    std::vector<JobRecord> jobs() const;

    /// Small facts of other parts: the first signer of an archive without Signed-By, ...
    Result<void> put_fact(const std::string& key, const std::string& value);
    std::optional<std::string> fact(const std::string& key) const;

private:
    struct Database;
    explicit State(std::unique_ptr<Database> database);
    std::unique_ptr<Database> database_;
};

}  // namespace aptward::catalog
