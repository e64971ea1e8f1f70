// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// One suite on the control loop: asking the sources, judging, adopting, publishing. Private to
// archive/. The claim path of docs/architecture.md.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "archive/archive.h"
#include "archive/turns.h"

namespace aptward::archive {

/// After a refresh, an absent name is not asked for again so soon.
inline constexpr std::chrono::milliseconds kAbsentAgain{5000};

/// Generations of a suite at hand besides the current one (V33).
inline constexpr std::size_t kRecentKept = 4;

/// What is signed of either form. Fails as the splitters of crypto/ do.
Result<crypto::SignedText> split_release(const catalog::ReleaseFiles& files);

class Suite {
public:
    Suite(Archive& archive, std::string name);

    /// Asks every source, takes the newest release that the policy accepts, and publishes it when
    /// its indexes are there. Joins a refresh that runs already.
    http::Async<void> refresh();
    /// Until the one that runs is over, or the deadline.
    http::Async<void> wait_for_refresh(SteadyTime deadline);

    http::Async<void> restore(catalog::SuiteState state);
    /// Reads an index that a client fetched into a table, and remembers that clients use it.
    http::Async<void> adopt_index(std::string generation_id, std::string path);
    /// Reads the indexes of a generation at hand that may list `pool_path` and were not read yet,
    /// until one does. False when one of them was not to be had: then nobody knows.
    http::Async<bool> look_for(std::string generation_id, std::string pool_path);
    /// Reads what `choose` names of the current release into tables, and remembers it as used.
    http::Task<HeldIndexes> hold_indexes(ChooseIndexes choose);
    /// Builds again what could not be read.
    http::Async<void> mend_tables();
    /// Gets the vendor's detached Release and Release.gpg of the current release, if clients ask.
    http::Async<void> fetch_detached();

    /// Judges the current release again under other keys; empty when it holds. One that nobody
    /// signed holds unless `must_be_proven`.
    http::Async<std::string> rejudge(crypto::Keyring keyring, trust::Policy policy,
                                     bool must_be_proven);

    http::Task<void> approve(std::string release_id, std::string who);

    /// Of a release that no source gave (offer.cpp): what Archive::assess and Archive::offer say.
    http::Async<Offered> assess(catalog::ReleaseFiles files, std::string origin);
    http::Async<Offered> offer(catalog::ReleaseFiles files, std::string origin,
                               std::vector<std::string> indexes);

    /// Of one that another node gave: what Archive::take_shown says.
    http::Async<Offered> take_shown(std::string id, catalog::ReleaseFiles files,
                                    fetch::SourcePtr peer);
    bool wants_shown(const std::string& release_id, SystemTime date) const;

    /// Serves nothing any more whose signers a revocation left too few. Control loop.
    http::Async<void> withdraw();

    /// What the vendor had at `time`, of what was shown here up to `known`; null before the first.
    /// Fails with untrusted when its signers do not count any more, as recalling it does else.
    http::Task<catalog::GenerationPtr> generation_at(SystemTime time, SystemTime known);
    /// Asks the snapshot hosts what it was at a moment of which nothing is known here. Empty: it is
    /// known now; else why not.
    http::Async<std::string> look_at_hosts(SystemTime moment);
    const catalog::Timeline& from_hosts() const { return from_hosts_; }
    /// One that stands in a timeline. Fails as generation_at() does.
    http::Task<catalog::GenerationPtr> generation(catalog::Published published);
    const catalog::Timeline& timeline() const { return timeline_; }

    SuiteReport report() const;
    const catalog::SuiteView& view() const { return view_; }
    /// True when every source answered that it has no such suite.
    bool is_absent() const { return is_absent_; }
    /// Nothing is known of it but that, and nothing works on it.
    bool is_disposable() const
    {
        return (is_absent_ || is_made_up_) && !view_.current && timeline_.empty() &&
               from_hosts_.empty() && !is_refreshing_ && !turns_.is_taken() &&
               !past_turns_.is_taken() && !host_turns_.is_taken() && asks_running_ == 0;
    }
    SteadyTime last_try() const { return last_try_; }

private:
    /// What one source showed, or somebody handed in.
    struct Observation {
        fetch::SourcePtr source;  ///< Null: it came from no source.
        bool is_from_peer = false;
        std::string origin;  ///< The source's URL, or another name for people.
        catalog::ReleaseFiles files;
        trust::Judgement judgement;
    };
    /// What a source gave last time, for conditional requests.
    struct Seen {
        std::string etag, last_modified;
        catalog::ReleaseFiles files;
    };
    /// The observations of one refresh, shared with late ones.
    struct Gathering {
        std::shared_ptr<http::Signal> signal;
        std::vector<Observation> accepted;
        std::size_t pending = 0, missing = 0, asked = 0;
        std::string last_error, last_refusal;
        bool is_closed = false;
    };

    http::Async<void> ask_all();
    http::Async<void> take_newest(std::vector<Observation> accepted);
    /// Until all have answered, `limit` is over, or `grace` after the first good answer.
    http::Async<void> gather(std::shared_ptr<Gathering> gathering, std::chrono::milliseconds limit,
                             std::chrono::milliseconds grace);
    http::Async<void> ask(std::shared_ptr<Archive> archive, std::shared_ptr<Gathering> gathering,
                          fetch::SourcePtr source);
    http::Async<void> look_at(std::shared_ptr<Gathering> gathering, fetch::SourcePtr source);
    http::Task<catalog::ReleaseFiles> get_files(fetch::SourcePtr source);
    http::Async<trust::Judgement> judge(std::string origin, catalog::ReleaseFiles files);
    /// `now`: the moment itself for Freshness::past.
    http::Async<trust::Judgement> judge_under(catalog::ReleaseFiles files, crypto::Keyring keyring,
                                              trust::Policy policy, trust::Freshness freshness,
                                              SystemTime now);
    http::Async<void> ask_for_detached();
    void refuse(const Observation& observation);
    void refuse_shown(const Observation& observation, const fetch::SourcePtr& peer);
    static http::Async<void> ask_neighbours(std::shared_ptr<Archive> archive, std::string name);
    void tell_refused(const Observation& observation);
    http::Async<void> ask_host(std::shared_ptr<Archive> archive,
                               std::shared_ptr<Gathering> gathering, std::size_t host,
                               SystemTime moment);
    http::Task<catalog::ReleaseFiles> get_past_files(std::size_t host, SystemTime moment);
    std::optional<std::string> known_of_hosts(SystemTime moment) const;
    http::Async<std::string> ask_hosts(SystemTime moment);
    std::string check_beside_known(const Observation& observation, SystemTime moment);
    http::Async<std::string> take_from_host(Observation observation, SystemTime moment);
    void refuse_spoiled(const Observation& observation);
    std::string keep_evidence(const std::string& source, const catalog::ReleaseFiles& files,
                              const trust::Judgement& judgement);
    void note_seen(const trust::Judgement& judgement);
    http::Async<void> adopt_first_whole(std::vector<Observation> candidates);
    http::Async<void> adopt(Observation observation);
    http::Async<void> adopt_in_turn(Observation observation);
    http::Async<void> note_used(std::string path);
    http::Async<void> adopt_index_in_turn(std::string generation_id, std::string path);
    http::Async<void> mend_in_turn();
    http::Async<bool> hold_index(const ChosenIndex& index, HeldIndexes& held);
    /// Runs `step` while no other one of these turns runs. What it throws is exhausted memory
    /// (R11): it is told as a held release, and the next one has its turn.
    http::Async<void> in_turn(Turns& turns, std::function<http::Async<void>()> step);
    Turns& turns_of(const std::string& generation_id);
    http::Async<bool> still_holds(Observation& observation);
    http::Task<catalog::GenerationPtr> complete(catalog::GenerationPtr generation);
    bool must_wait_for_stock(const Observation& observation) const;
    void wait_for_stock(Observation observation, catalog::GenerationPtr generation);
    http::Async<void> stock_up(std::shared_ptr<Archive> archive, Observation observation,
                               catalog::GenerationPtr generation);
    void hold(const Observation& observation, std::string why);
    Offered describe(const trust::Judgement& judgement) const;
    bool is_overdue(const std::string& path, std::chrono::seconds patience);
    bool was_there(const std::string& path) const;
    std::vector<std::string> needed_indexes(const deb::Release& release) const;
    std::optional<std::string> listed_form(const deb::Release& release,
                                           const std::string& base) const;
    http::Task<std::shared_ptr<const catalog::Table>> table_of(
        const catalog::Generation& generation, std::string path);
    http::Task<void> look_at_likely_index(const catalog::Generation& generation);
    http::Task<void> fetch_blob(fetch::Want want);
    fetch::Want want_of(const catalog::Generation& generation, const deb::ListedFile& file) const;
    using FlightPtr = std::shared_ptr<fetch::Flight>;
    FlightPtr start_flight(fetch::Want want);
    http::Task<void> be_stored(FlightPtr flight, Digest digest);
    http::Async<bool> is_worth_fetching(const deb::ListedFile& shortcut,
                                        const deb::ListedFile& file);
    http::Async<bool> build_by_shortcut(const catalog::Generation& generation,
                                        const deb::ListedFile& file, FlightPtr flight);
    http::Task<void> build_from(const catalog::Generation& generation, const deb::ListedFile& file,
                                FlightPtr flight);
    enum class Rebuild { no, yes };
    http::Task<catalog::GenerationPtr> recall(catalog::Published published, Rebuild rebuild);
    /// The current one, a recent one, or one of a composed view of the past.
    catalog::GenerationPtr find_generation(const std::string& id) const;
    void take_table(const std::string& generation_id, const std::string& base,
                    std::shared_ptr<const catalog::Table> table);
    http::Async<bool> commit(catalog::GenerationPtr generation, bool is_from_peer);
    void show(catalog::GenerationPtr generation, bool is_from_peer);
    void drop_withdrawn();
    void touch(bool is_from_peer);
    void event(std::string code, const std::string& source, std::string message,
               std::string evidence = {});

    Archive& archive_;
    Services& services_;
    const std::string name_;
    catalog::SuiteView view_;
    catalog::Timeline timeline_, from_hosts_;
    trust::Floor floor_;
    std::set<std::string> used_;   // index paths that clients use, one compression of each
    std::set<std::string> noted_;  // of these, what the journal has
    // Since when releases have waited for an index (without compression) that is not to be had.
    std::map<std::string, SteadyTime> waits_since_;
    // By generation and index without compression: when an index was looked into for a pool file,
    // and those that no source publishes.
    std::map<std::string, SteadyTime> tried_;
    std::set<std::string> unpublished_;
    // By index without its compression: until when its quicker form is not asked for.
    std::map<std::string, SteadyTime> no_shortcut_;
    std::map<std::string, Seen> seen_;                                // by URL
    std::map<std::string, std::vector<crypto::Signature>> verified_;  // by body and signature hash
    trust::Verdict verdict_;
    std::string held_;
    std::string not_refreshed_;  // why the last refresh left what was there; empty: it did not
    std::string withdrawn_;      // why nothing is served; empty: it is not for a revoked key
    std::string observed_;       // the last verdict that verify = "observe" did not follow
    std::optional<SystemTime> newest_seen_;  // of what any source showed well signed
    std::string no_detached_of_;             // id of a release without a Release.gpg that fits
    SteadyTime no_detached_until_{};
    bool has_source_shown_ = true;  // the current release; else peers alone have
    bool is_refreshing_ = false;
    bool is_stocking_ = false;  // a release waits for what clients will want of it
    std::string stocked_;       // id of the last that has waited long enough
    bool is_absent_ = false;
    std::size_t asks_running_ = 0;  // one that throws stays counted: then it is kept
    SteadyTime last_try_{};
    std::vector<std::shared_ptr<http::Signal>> waiting_;  // for the refresh that runs
    Turns turns_;                                         // of adopting
    Turns past_turns_;                                    // of tables of earlier releases
    bool is_made_up_ = false;                             // for all that snapshot hosts know
    std::size_t hosts_waiting_ = 0;                       // questions that wait for their turn
    Turns host_turns_;                                    // of asking snapshot hosts
    // By moment: why it was not to be had, and since when.
    std::map<SystemTime, std::pair<SteadyTime, std::string>> not_had_;
};

}  // namespace aptward::archive
