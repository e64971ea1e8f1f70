// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The face of archive/: one configured archive, its suites kept fresh, its names served.
//
// Claims change on the control loop only. What loops read is an immutable ArchiveView behind one
// atomic pointer; the switch of that pointer is the moment a generation becomes visible.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "archive/admission.h"
#include "archive/awaited.h"
#include "archive/client_pins.h"
#include "archive/events.h"
#include "archive/names.h"
#include "archive/selection.h"
#include "archive/settings.h"
#include "catalog/catalog.h"
#include "catalog/refused.h"
#include "catalog/state.h"
#include "fetch/fetch.h"
#include "http/server.h"

namespace aptward::archive {

class AptCache;
class Deliveries;
class HotAnswers;
class Jobs;
class BlobService;
class Neighbours;
class Prefetcher;
class Shelf;

/// What every archive works with. Outlives them all.
struct Services {
    http::Executor control;  ///< The loop on which claims change.
    fetch::Fetcher& fetcher;
    store::Blobs& blobs;
    store::PrivateMarks& private_marks;
    WorkerPool& workers;
    catalog::State& state;
    WorkerPool& state_thread;
    catalog::Releases& releases;
    catalog::Refused& refused;  ///< State thread.
    crypto::OpenPgpEngine& engine;
    EventLog& events;
    Counters& counters;
    std::filesystem::path tables;  ///< Folder of the table files.
    Deliveries& deliveries;
    Jobs& jobs;
    HotAnswers& hot_answers;
    Shelf& shelf;
    std::string architecture;  ///< Of this machine ("amd64"): most likely its clients' too.
    // Set before anything is served:
    Prefetcher* prefetcher = nullptr;     ///< Null: nothing is fetched ahead.
    Neighbours* neighbours = nullptr;     ///< Null: no other node is asked.
    BlobService* blob_service = nullptr;  ///< Null: there is none.
    AptCache* apt_cache = nullptr;        ///< Null: apt's own files are not looked at.
};

/// What `status` shows of a suite.
struct SuiteReport {
    std::string suite;
    std::string generation;  ///< Id; empty when none is published.
    std::optional<SystemTime> date, valid_until;
    std::optional<SystemTime> newest_seen;  ///< Date of the newest release any source showed.
    SystemTime checked_at{};
    std::vector<std::string> signers;
    std::vector<std::string> unknown_signers;  ///< Those that no keyring holds any more.
    std::string observed;  ///< Under `observe`: the code for which enforce would refuse it.
    std::size_t indexes = 0, pool_files = 0;
    trust::Verdict verdict;  ///< Of the last release that was looked at.
    std::string held;        ///< Why a newer release is not visible yet; empty: nothing is held.
};

/// What the clients of a ring get.
struct RingReport {
    std::string ring;
    catalog::ArchiveView behind;  ///< The suites of which they do not have what is current.
};

/// What became, or would become, of a release that came from no source: from a bundle.
struct Offered {
    enum class Outcome {
        published,  ///< The policy accepts it, and it is newer than what was served.
        known,      ///< It is served already, or was not long ago.
        older,      ///< A newer one is served.
        held,       ///< Accepted, but an index of it is not to be had.
        refused,
    };
    Outcome outcome = Outcome::refused;
    trust::Verdict verdict;
};
std::string_view to_string(Offered::Outcome outcome);
/// Whether a verdict is on what no honest node has, whatever its policy and its clock.
bool is_nobodys(const std::string& code);

/// A key that could sign an archive, but that no operator has approved.
struct ProposedKey {
    std::string fingerprint;  ///< Of the primary key.
    std::string user_id;      ///< As the keyring says: hostile text.
    std::string vouched_by;   ///< Id of a release that approved keys signed too; empty: none seen.
};

/// How long an operator's request waits for the control loop.
inline constexpr std::chrono::seconds kControlLimit{10};

class Past;
class Rings;
/// What a mirror job has of a suite before it fetches the rest.
struct HeldIndexes {
    catalog::GenerationPtr generation;
    std::vector<ChosenIndex> indexes;  ///< Without those that no source publishes.
    std::vector<fetch::Want> wants;    ///< Each of them, as clients use it.
    std::vector<std::string> missing;  ///< Named, and no source publishes them.
    /// Why the sources gave no release to put in place of this one; empty: it is what they show, or
    /// a newer one waits for stock.
    std::string not_refreshed;
};
using ChooseIndexes = std::function<Result<std::vector<ChosenIndex>>(const deb::Release&)>;

class Suite;
class SignedFiles;
struct Frozen;
struct PastView;
struct SignedOutcome;

/// What an archive was at a moment, or why that is not to be had.
struct AtMoment {
    std::shared_ptr<const PastView> past;  ///< Null: refused.
    int status = 200;                      ///< Then: of HTTP.
    std::string code, message;             ///< Then.
};

class Archive : public std::enable_shared_from_this<Archive> {
public:
    Archive(ArchiveSettings settings, Services& services);
    ~Archive();

    const ArchiveSettings& settings() const { return settings_; }
    /// Those of the configuration.
    const std::vector<fetch::SourcePtr>& sources() const { return sources_; }
    /// Whom it asks: the same, or stand-ins for them while a drill runs. Any thread.
    std::vector<fetch::SourcePtr> asked() const { return *asked_.load(); }
    /// `is_alone`: neither other nodes nor a blob service are asked meanwhile either. Any thread.
    void ask_instead(std::vector<fetch::SourcePtr> stand_ins, bool is_alone);
    /// Returns when no suite is being refreshed, or at the deadline. Control loop.
    http::Async<void> wait_for_refreshes(SteadyTime deadline);
    /// Who has it as it was at moments.
    struct SnapshotHost {
        fetch::SourcePtr source;
        std::string below;
        /// What stands there for a path (percent-encoded) of the archive at a moment.
        std::string path_at(SystemTime moment, const std::string& path) const;
    };
    const std::vector<SnapshotHost>& snapshot_hosts() const { return snapshot_hosts_; }
    /// The sources and the snapshot hosts: all of which something is learned.
    std::vector<fetch::SourcePtr> all_sources() const;
    void ask_sources() { ask_instead(sources_, false); }
    /// Whether anybody but its sources may give it something. Any thread.
    bool has_others() const;
    std::shared_ptr<const catalog::ArchiveView> view() const { return view_.load(); }

    /// Brings back what was published before a restart and what operators decided. Without approved
    /// keys the archive is new, and then the configured ones are. Control loop, before anything is
    /// served.
    http::Async<void> restore(std::map<std::string, catalog::SuiteState> suites,
                              catalog::ArchiveDecisions decisions);

    /// Refreshes `suite` and waits for the outcome until `deadline`, whichever is first. The
    /// refresh itself goes on. False when it is not over. Any loop.
    http::Async<bool> refresh(std::string suite, SteadyTime deadline);

    /// Answers a request for `path` (normalised, no leading slash; `raw_path` as the client sent
    /// it) below this archive. `moment` is that of the hot answers before this archive was
    /// chosen. `ring`: the client's, 0 for what is current. Any loop.
    http::Async<void> serve(http::Exchange& exchange, std::string path, std::uint64_t moment,
                            std::size_t ring);

    /// The same, as it was at a moment: a stamp ("20260430T120000Z") or the name of a snapshot.
    http::Async<void> serve_snapshot(http::Exchange& exchange, std::string moment,
                                     std::string path);

    /// What all suites were at such a moment, as serve_snapshot() has it. Any loop.
    http::Async<AtMoment> look_at_moment(std::string moment);

    Rings& rings() { return *rings_; }
    /// Snapshots, and the moment that the archive is frozen to.
    Past& past() { return *past_; }

    /// Control loop.
    std::vector<SuiteReport> report() const;
    /// Any thread.
    std::vector<RingReport> ring_reports() const;
    /// Re-judges everything current under other settings; refusals in words. Control loop.
    http::Async<std::vector<std::string>> rejudge(const ArchiveSettings& other);

    /// Primary fingerprints that count, and keys that wait for an approval. Control loop.
    std::set<std::string> approved_keys() const;
    std::set<std::string> revoked_keys() const;
    std::vector<ProposedKey> proposed_keys() const;
    /// An operator approves proposed keys; none given: all of them. Any loop.
    /// Fails with not_found for a key that is not proposed, naming those that are.
    http::Task<void> approve_keys(std::vector<std::string> fingerprints, std::string who);

    /// An operator takes a key back, whatever keyring or configuration names it: what it signed is
    /// not served where the other signers do not suffice, until they do or the key is approved
    /// again. Any loop. Fails with not_found for a key that this archive never saw.
    http::Task<void> revoke_key(std::string fingerprint, std::string who);

    /// An operator accepts a release that the policy refused; the next refresh takes it. Any loop.
    http::Task<void> approve(std::string suite, std::string release_id, std::string who);

    /// What the policy says of a release that came from no source; adopts nothing. Control loop.
    http::Async<Offered> assess(std::string suite, catalog::ReleaseFiles files, std::string origin);
    /// The same as if a source had shown it: what the policy accepts is published. `indexes`: paths
    /// in it that are read then, as if clients had asked for them. Control loop.
    http::Async<Offered> offer(std::string suite, catalog::ReleaseFiles files, std::string origin,
                               std::vector<std::string> indexes);

    /// The same for what another node gives: it counts only under verify = "enforce", of suites
    /// that clients or the configuration name, and never as the first that says who signs a suite.
    /// What is refused is told, and charged where nobody honest would have given it. `id`: the
    /// release that it is said to be. Control loop.
    http::Async<Offered> take_shown(std::string suite, std::string id, catalog::ReleaseFiles files,
                                    fetch::SourcePtr peer);
    /// Whether it would look at a release that another node says it has. Control loop.
    bool wants_shown(const std::string& suite, const std::string& release_id,
                     SystemTime date) const;

    /// Ends its schedules, and publishes nothing more: another configuration took over. Any thread.
    void retire() { is_retired_ = true; }
    bool is_retired() const { return is_retired_; }
    /// Before it serves: clients go on with the generations that `before` gave them.
    void succeed(const Archive& before) { pins_ = before.pins_; }

    bool may_have_suite(const std::string& suite) const;

    /// Refreshes `suite` and reads the indexes that `choose` names into tables, as if clients used
    /// them: later releases are shown with them only. Where the refresh brings nothing, those of
    /// the release that is held, which the outcome tells. Control loop.
    /// Fails with not_found when there is no such suite, as `choose` does, or unavailable.
    http::Task<HeldIndexes> hold_indexes(std::string suite, ChooseIndexes choose);

    /// Whether these bytes are held, and not for another archive's credentials; then they stay for
    /// an hour at least. Any thread.
    bool may_use(const Digest& digest) const
    {
        return services_.blobs.use(digest) &&
               services_.private_marks.may_give(digest, settings_.id);
    }
    /// Bytes of this archive, wherever they may be. Any thread.
    fetch::Want want_of(const Digest& digest) const;
    /// A file that an index lists under this path. Any thread.
    fetch::Want want_of_pool(const Digest& digest, std::string_view path) const;
    /// Bytes that other nodes are given from apt's own files; nothing when they are not there, or
    /// not for others. Nobody else is asked for them, and they are not kept. Any thread.
    std::optional<fetch::Want> want_of_apt(const Digest& digest) const;
    /// A file that a generation of a suite lists, by its own name and by-hash. Any thread.
    fetch::Want want_of(const std::string& suite, const catalog::Generation& generation,
                        const deb::ListedFile& file) const;

    /// Bytes that other nodes are given, and what they are here; for the delivery record.
    struct Given {
        std::string path;        ///< Below this archive.
        std::string generation;  ///< Id of the release that lists an index; empty for a package.
    };
    /// Whether a release that clients of no ring get lists these bytes under this path
    /// ("main/binary-amd64/Packages.xz"), or an index of one does. Any thread.
    std::optional<Given> find_given_index(const Digest& digest, std::string_view path) const;
    std::optional<Given> find_given_pool(const Digest& digest, std::string_view path) const;
    /// Whether these bytes, which it has listed, may be kept where other nodes get them. Any
    /// thread.
    bool may_put_away(const Digest& digest) const;
    /// A table behind what other nodes are given.
    struct GivenTable {
        std::string name;  ///< The hash of the index's text; of a longer one the first 64 digits.
        std::shared_ptr<const catalog::Table> table;
    };
    /// Those of current releases first. Any thread.
    std::vector<GivenTable> given_tables() const;
    /// What this node fetches for another one that asks for it: from the archive's own sources, so
    /// that no two nodes wait for each other. Nothing when no release that other nodes are given,
    /// or that waits for its indexes or its stock, lists it. Any thread.
    struct Errand {
        Given what;
        fetch::Want want;
    };
    std::optional<Errand> index_errand(const Digest& digest, std::string_view path) const;
    std::optional<Errand> pool_errand(const Digest& digest, std::string_view path) const;
    /// Whether a release may come that lists what other nodes ask for. Any thread.
    bool is_expecting() const { return may_share() && awaited_.is_any(); }
    /// The current releases that other nodes are given, by suite, and one of them or of those
    /// before by its id; null when there is none. Any thread.
    std::map<std::string, catalog::GenerationPtr> given_releases() const;
    catalog::GenerationPtr find_given_release(std::string_view id) const;
    /// The releases that other nodes are given, the current ones and those before. Any thread.
    void for_each_given(
        const std::function<void(const std::string& suite,
                                 const catalog::GenerationPtr& generation)>& visit) const;

    /// Bytes that a generation of the past names may be at the snapshot hosts too. Any thread.
    void want_elsewhere(fetch::Want& want, const catalog::Generation& generation) const;

private:
    friend class Past;
    friend class Rings;
    friend class Suite;

    // give.cpp, any thread
    bool is_for_everybody() const;
    bool may_share() const;
    bool may_ask_others() const;
    const Neighbours* neighbours() const;
    void add_service(fetch::Want& want) const;
    void add_apt_cache(fetch::Want& want) const;
    std::shared_ptr<const catalog::ArchiveView> given() const;
    fetch::Want want_index(const std::string& suite, const catalog::Generation& generation,
                           const deb::ListedFile& file) const;
    void tell_neighbours() const;
    void ask_neighbours_again() const;

    // serve.cpp, on the client's loop
    http::Async<void> serve_release_file(http::Exchange& exchange, const Name& name,
                                         std::size_t ring);
    http::Async<void> serve_index(http::Exchange& exchange, const Name& name, std::uint64_t moment);
    http::Async<void> serve_by_hash(http::Exchange& exchange, const Name& name);
    http::Async<void> serve_pool(http::Exchange& exchange, const Name& name, std::uint64_t moment);
    http::Async<Result<std::optional<Digest>>> search_pool(std::string path);
    http::Async<bool> look_for(std::string path);
    http::Async<void> send_release_file(http::Exchange& exchange, const Name& name,
                                        catalog::SuiteView suite,
                                        const catalog::Generation& generation);
    http::Async<void> send_index(http::Exchange& exchange, const Name& name,
                                 catalog::GenerationPtr generation);
    http::Async<void> send_listed(http::Exchange& exchange, const Name& name,
                                  catalog::GenerationPtr generation, const deb::ListedFile& file);
    catalog::GenerationPtr pinned_generation(const std::string& client, const std::string& suite,
                                             const catalog::SuiteView& view) const;
    std::optional<catalog::SuiteView> suite_view(std::string_view suite) const;
    bool is_fresh(const Name& name, const catalog::SuiteView& view) const;
    http::Async<std::optional<catalog::SuiteView>> fresh_suite(const Name& name);
    http::Async<void> refuse_unknown(http::Exchange& exchange, const Name& name);
    Result<std::optional<Digest>> find_pool(std::string_view path);

    // serve_past.cpp, on the client's loop
    http::Async<bool> serve_ring_pool(http::Exchange& exchange, const Name& name, std::size_t ring);
    http::Async<bool> serve_ring(http::Exchange& exchange, const Name& name, std::size_t ring);
    using PastViewPtr = std::shared_ptr<const PastView>;
    enum class Because { asked_for, frozen };
    http::Async<void> serve_past(http::Exchange& exchange, std::string path, PastViewPtr past,
                                 Because why);
    http::Async<void> serve_past_suite(http::Exchange& exchange, const Name& name, PastViewPtr past,
                                       Because why);
    void note_frozen_client(const http::Exchange& exchange, const Name& name,
                            const catalog::Generation& generation);
    http::Async<void> serve_past_pool(http::Exchange& exchange, const Name& name, PastViewPtr past,
                                      Because why);
    http::Async<void> send_past_file(http::Exchange& exchange, const Name& name, Digest digest,
                                     catalog::ArchiveView past);
    http::Async<bool> look_for_past(std::string path, PastViewPtr past);
    std::shared_ptr<const Frozen> tell_frozen(http::Exchange& exchange) const;
    using NotHad = std::map<std::string, std::string>;  // by suite, why
    std::vector<std::string> suites_of(const std::string& path) const;
    http::Async<NotHad> ask_snapshot_hosts(SystemTime moment, std::vector<std::string> suites);
    http::Async<AtMoment> at_moment(std::string moment, NotHad not_had);
    http::Async<bool> refuse_later(http::Exchange& exchange, const Name& name, Because why);
    http::Async<void> refuse_lost(http::Exchange& exchange, const Name& name, PastViewPtr past);

    // private.cpp
    /// What the upstream accepted last, to fetch with while it is fresh.
    struct Lent {
        fetch::CredentialsPtr credentials;
        SteadyTime until;
    };
    /// Counts the request. Whether this client may have the bytes; when not, it was answered.
    /// Client's loop.
    http::Async<bool> admit(http::Exchange& exchange, std::string path);
    struct NotAdmitted {
        NotAdmitted(int answer, std::string stable_code, std::string sentence)
            : status(answer), code(std::move(stable_code)), message(std::move(sentence))
        {
        }
        int status;
        std::string code, message;
    };
    http::Async<std::optional<NotAdmitted>> judge_client(const http::RequestHead& head,
                                                         std::string path);
    void lend(fetch::CredentialsPtr credentials);
    enum class Admitted { to_metadata, to_all };
    http::Async<Result<void>> ask_upstream(fetch::CredentialsPtr credentials,
                                           std::vector<std::string> paths);
    http::Async<bool> is_given_to_anybody(std::vector<std::string> paths);
    http::Async<Result<Admitted>> ask_for_client(fetch::CredentialsPtr credentials,
                                                 std::string path, std::string suite);
    std::string suite_to_ask_for(const std::string& path) const;
    fetch::CredentialsPtr lent() const;
    bool may_ask_sources() const;
    /// Of those that it asks: clients' credentials are for that one alone.
    bool is_first(const fetch::SourcePtr& source) const
    {
        return source->url() == sources_.front()->url();
    }
    http::Async<void> restore_admission();
    void keep_admission();
    // serve_auxiliary.cpp, on the client's loop
    struct Sums;
    http::Async<bool> serve_auxiliary(http::Exchange& exchange, Name name, std::string path);
    std::optional<catalog::SuiteView> suite_view_given(const std::string& suite) const;
    http::Async<bool> serve_installer(http::Exchange& exchange, Name name, std::string path,
                                      std::vector<std::string> candidates);
    http::Async<bool> serve_signed(http::Exchange& exchange, AuxiliaryName what);
    http::Async<std::optional<fetch::Want>> find_size(fetch::Want want);
    http::Async<void> send_summed(http::Exchange& exchange, std::string path, Digest hash_only);
    http::Async<Sums> find_sums(Name name, std::string path);
    http::Async<std::shared_ptr<SignedOutcome>> signed_file(std::string path);
    http::Task<std::string> proven_text(fetch::Want want);

    // control loop
    bool is_known(const std::string& suite) const;
    bool has_room_for(const std::string& suite);
    bool may_be_offered(const std::string& suite);
    Suite& suite(const std::string& name);
    void publish_view(const std::string& suite, catalog::SuiteView view);
    trust::Policy policy(const ArchiveSettings& settings) const;
    http::Async<void> restore_keys(std::optional<std::set<std::string>> approved);
    http::Async<bool> count_keys(std::set<std::string> keys, std::string who);
    http::Async<bool> change_keys(std::set<std::string> added, std::set<std::string> removed,
                                  std::string who);
    void tell_of_keys(std::string code, std::string message, std::string who,
                      std::string evidence) const;
    http::Task<void> revoke_known(std::string fingerprint, std::string who);
    /// Of an archive without Signed-By: who may be a suite's first signer; empty: whoever signs.
    std::set<std::string> first_signers(const crypto::Keyring& keyring) const;
    bool is_revoked(const std::string& fingerprint) const;
    /// Whether a revocation leaves `signers`, of a release that was accepted, too few.
    bool is_withdrawn(const std::vector<std::string>& signers) const;
    http::Task<void> approve_proposed(std::vector<std::string> fingerprints, std::string who);
    void tell_of_ring(const std::string& ring, const std::string& suite, bool is_kept,
                      const std::string& why) const;
    void note_vouched(const std::vector<std::string>& keys, const std::string& release_id);
    http::Async<void> keep_fresh(std::string suite);
    http::Task<void> approve_known(std::string name, std::string release_id, std::string who);

    ArchiveSettings settings_;
    Services& services_;
    std::vector<fetch::SourcePtr> sources_;
    std::vector<SnapshotHost> snapshot_hosts_;
    std::atomic<std::shared_ptr<const std::vector<fetch::SourcePtr>>> asked_;
    std::atomic<bool> is_alone_{false};
    std::atomic<std::shared_ptr<const catalog::ArchiveView>> view_;
    std::map<std::string, std::unique_ptr<Suite>> suites_;  // control loop
    Awaited awaited_;
    // Keys that count; with a '-' in front: that were revoked. Control loop.
    std::set<std::string> approved_;
    std::map<std::string, std::string> vouched_;  // unapproved key -> release; control loop
    std::atomic<int> adoptions_{0};               // indexes on their way into tables
    std::atomic<bool> must_mend_{false};          // a table could not be read
    std::atomic<bool> is_mending_{false};
    std::atomic<bool> is_retired_{false};
    std::shared_ptr<ClientPins> pins_ = std::make_shared<ClientPins>();
    std::unique_ptr<Admission> admission_;  // of a private archive, once restored
    std::atomic<bool> has_public_metadata_{false};
    std::atomic<SteadyTime> metadata_judged_until_{SteadyTime{}};
    std::atomic<std::shared_ptr<const Lent>> lent_;
    std::unique_ptr<SignedFiles> signed_files_;  // control loop
    std::unique_ptr<Past> past_;
    std::unique_ptr<Rings> rings_;
};

/// The archives that are served now. Any thread.
using ServedArchives = std::function<std::vector<std::shared_ptr<Archive>>()>;
/// One of them; null when there is none of that id. Any thread.
using FindArchive = std::function<std::shared_ptr<Archive>(const std::string& id)>;

}  // namespace aptward::archive
