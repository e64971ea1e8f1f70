// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The face of peer/: the nodes that this one asks for bytes, and what it gives to those that ask.
//
// Nobody needs to trust a peer: what it gives is proven by its digest, and what it does not give
// says nothing. docs/formats/peer.md, docs/decisions/0027-peers.md.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "archive/front.h"
#include "archive/neighbours.h"
#include "http/event_stream.h"
#include "peer/budget.h"
#include "peer/dht.h"
#include "peer/discovery.h"
#include "peer/found.h"
#include "peer/link.h"
#include "peer/own_heads.h"
#include "peer/own_sets.h"
#include "peer/publish.h"
#include "peer/quiet.h"
#include "peer/request.h"
#include "peer/slots.h"
#include "peer/torrents.h"
#include "swarm/process.h"
#include "tlog/note.h"

namespace aptward::peer {

/// Whether a peer is on this side of the line to the internet.
enum class Distance { measured, near, far };

/// One [[peer]].
struct PeerSettings {
    /// "http://b.example:3142", no trailing slash; empty: as the pointer of `identity` says.
    std::string url;
    std::optional<tlog::VerifierKey> identity;  ///< Whose answers count; nothing: whoever answers.
    std::string ca;                             ///< As fetch::SourceSettings has it.
    Distance distance = Distance::measured;
    bool may_be_private = true;  ///< As fetch::SourceSettings has it.
    bool operator==(const PeerSettings&) const = default;
};

/// Whom this node tells what it holds: whoever may fetch here, on the local networks even who may
/// not, or nobody.
enum class MayAsk { clients, local, nobody };

/// Whether nodes of the local network are looked for, and told of this one.
enum class Discover { local, off };

/// Who says that a node is a peer; who comes first counts.
enum class Origin { configuration, order, found, dht };
std::string_view to_string(Origin origin);
/// Whether nobody but itself, or others like it, says so.
constexpr bool is_stranger(Origin origin)
{
    return origin == Origin::found || origin == Origin::dht;
}

/// Where nodes meet that do not know each other.
struct DhtSettings {
    std::optional<swarm::Net> net;            ///< Nothing: nowhere.
    bool has_bootstrap = false;               ///< There is somebody to begin with.
    std::vector<swarm::Place> places;         ///< Where others reach this node; empty: as is seen.
    std::vector<tlog::VerifierKey> followed;  ///< Whose pointers are looked at.
    bool operator==(const DhtSettings&) const = default;
};

/// What is said and heard there, for operators.
struct DhtReport {
    bool is_on = false;
    bool is_alone = false;              ///< No node of the DHT answers.
    std::size_t keys = 0;               ///< Under which it meets others.
    std::size_t addresses = 0;          ///< That were heard.
    std::uint32_t pointer_kept_by = 0;  ///< Nodes that keep this one's pointer.
    std::vector<Dht::Followed> followed;
};

/// What the process says, until the control loop looks. Any thread.
class Inbox {
public:
    void add(const swarm::Word& word);
    std::vector<swarm::Word> take();

private:
    static constexpr std::size_t kMostWords = 4096;
    std::mutex mutex_;
    std::vector<swarm::Word> words_;
};

struct Settings {
    std::vector<PeerSettings> peers;
    MayAsk may_ask = MayAsk::clients;
    Discover discover = Discover::local;
    std::uint64_t rate_bytes_per_s = 0;  ///< For each address that asks; 0: no limit.
    std::vector<QuietHours> quiet;       ///< In which other networks are given no files.
    DhtSettings dht;                     ///< Without `followed`: those are the peers without URL.
};

/// A peer as an operator's order says it. Fails with malformed, saying what is wrong.
using ReadPeer =
    std::function<Result<PeerSettings>(const std::string& url, const std::string& identity)>;

inline constexpr std::size_t kMostWaiting = 256;            ///< For news, of all that ask; guess.
inline constexpr std::size_t kMostOfAnAddress = 4;          ///< Of them.
inline constexpr std::size_t kMostFetchesOfAnAddress = 64;  ///< Of other nodes at once; guess.
/// That somebody named, beside kMostFound: a want names each of them; guess.
inline constexpr std::size_t kMostPeers = 32;

/// Where clients reach this node over plain HTTP from other machines; port 0: nowhere.
struct Reachable {
    std::uint16_t port = 0;
    bool is_on_v4 = false, is_on_v6 = false;
    bool operator==(const Reachable&) const = default;
};

/// What `aptward peer list` shows of one.
struct PeerReport {
    std::string url;
    std::size_t releases = 0;  ///< That it says it gives.
    bool is_near = false;      ///< It is asked first, and fetches its share.
    Origin origin = Origin::configuration;
    Found found;  ///< As what, when it was.
    Link link;
    fetch::SourceReport source;
    std::vector<std::string> torrents{};  ///< The info hashes of what it says it publishes.
    SystemTime ignored_until{};           ///< What it shows is not looked at; the epoch: it is.
};

/// What was given to others since the start.
struct Given {
    std::uint64_t answers = 0, bytes = 0, not_held = 0;
    std::uint64_t fetched = 0;  ///< Of the answers: what was fetched because another node asked.
};

class Peers : public archive::Neighbours {
public:
    /// The first three outlive it. Without `identity` nobody is told who this node is, and none is
    /// asked. `ordered`: what operators added before. `torrents`: the folder of what is published.
    Peers(archive::Services& services, archive::Front& front, swarm::Process& swarm,
          std::optional<tlog::SignerKey> identity, Settings settings, ReadPeer read_peer,
          const std::map<std::string, catalog::PeerOrder>& ordered, std::filesystem::path torrents);

    /// A reload: what is known of peers that stay is kept. Any thread.
    void use(Settings settings);
    /// Of all peers that somebody named: of those the health is remembered. Any thread.
    std::vector<fetch::SourcePtr> sources() const;

    /// Where clients reach this node beyond its machine: what other nodes are told. Any thread.
    void announce(const Reachable& reachable);

    /// An operator adds a peer or removes one that was added; remembered over restarts. What they
    /// give is a sentence. Control loop. Fail with malformed, stale (it is one already, or the
    /// configuration names it), not_found, storage.
    http::Task<std::string> add(std::string url, std::string identity, std::string who);
    http::Task<std::string> remove(std::string url, std::string who);

    // Any thread, but for look_for()
    bool has_any() const override;
    void add_index(fetch::Want& want, std::string_view path) const override;
    void add_pool(fetch::Want& want, std::string_view path) const override;
    void note_changed() override
    {
        waiting_.wake();
        expecting_.wake();
    }
    void note_awaited() override { expecting_.wake(); }
    void try_again() override { must_try_again_ = true; }
    void look_for(const std::shared_ptr<archive::Archive>& archive,
                  const std::string& suite) override;
    bool admits(const std::string& address) const override;
    http::Async<void> answer(http::Exchange& exchange) override;

    /// Others may be told that this is held now, or is not any more. Any thread.
    void note_turned(const Digest& digest) { own_sets_->note(digest); }

    /// What this node publishes as torrents.
    std::shared_ptr<const Torrents::ByHash> torrents() const { return torrents_.all(); }
    archive::Jobs::Kind make_publish_job(archive::FindArchive find_archive);
    /// Takes an info hash or a magnet link. Fails as parse_magnet() and Torrents::stop() do.
    http::Task<std::string> stop_torrent(std::string magnet, std::string who);

    /// Looks at the peers from time to time, until stop(). Control loop.
    http::Async<void> keep();
    /// Looks at them now. Control loop.
    http::Async<void> look_at_all();
    /// Those who wait for news are answered. Any thread.
    void stop()
    {
        is_stopping_ = true;
        discovery_->use(false, {});
        note_changed();
    }

    /// Any loop.
    http::Async<std::vector<PeerReport>> report();
    Discovery::Report discovery() const { return discovery_->report(); }
    swarm::Process::Report swarm() const { return swarm_.report(); }
    std::shared_ptr<const DhtReport> dht() const { return dht_report_.load(); }
    Given given() const
    {
        return {answers_.load(), bytes_.load(), not_held_.load(), fetched_.load()};
    }
    /// Empty when this node has no key.
    std::string identity() const;

private:
    struct Peer {
        Peer(PeerSettings from, Origin whence, Found found_as);
        const PeerSettings settings;
        const Origin origin;
        const Found found;
        const fetch::SourcePtr source;
        // For what is no file: an answer that was waited for would count as a slow one.
        const fetch::SourcePtr talk;
        std::atomic<std::shared_ptr<const Link>> link{std::make_shared<const Link>()};
        std::atomic<std::shared_ptr<const std::vector<Head>>> heads{
            std::make_shared<const std::vector<Head>>()};  // as it told them last
        // For bytes. Who was only found has shown before that it is a node.
        bool may_be_asked() const;
        bool is_near() const;
        // Its URL is what its pointer says.
        bool is_pointed_at() const { return origin == Origin::configuration && !found.url.empty(); }
        bool is_there(SteadyTime now) const;  // near, and it answers
        // When it answered last; it is there while that is not long ago.
        std::atomic<SteadyTime> heard{SteadyTime{}};
        std::atomic<std::shared_ptr<const std::vector<std::string>>> torrents{
            std::make_shared<const std::vector<std::string>>()};  // that it publishes
        // What it says it holds.
        std::atomic<std::shared_ptr<const HaveSets>> sets{std::make_shared<const HaveSets>()};
        // What it shows is not looked at, after what no honest node has.
        std::atomic<SteadyTime> ignored_until{SteadyTime{}};
        // Control loop:
        std::uint64_t told_have = 0, heard_have = 0;  // the number of what it holds
        std::string told_run;                         // whose number
        std::uint64_t told_number = 0;                // of the note that it told last
        std::string told_note;
        std::shared_ptr<const Universes> heard_of;  // the indexes that were known then
        SteadyTime hear_again{};
        bool is_heard_out = false;
        SteadyTime next_look{}, follow_again{};
        unsigned lies = 0;  // in a row
        bool is_looked_at = false, is_followed = false;
        bool is_considered = false, must_consider = false;  // once more
    };
    using PeerPtr = std::shared_ptr<Peer>;
    using List = std::vector<PeerPtr>;

    /// A file to fetch for another node.
    struct Work {
        std::shared_ptr<archive::Archive> archive;
        archive::Archive::Errand errand;
    };

    /// An index whose files other nodes are given.
    struct GivenIndex {
        std::shared_ptr<const catalog::Table> table;
        std::string archive;
    };
    /// Where a file stands, by index.
    using Places = std::vector<std::pair<std::string, std::size_t>>;
    enum class Says { nothing, has_it, lacks_it };

    void add(fetch::Want& want, const AskedFile& asked) const;
    std::vector<fetch::SourcePtr> delegates_of(const List& peers, const AskedFile& asked) const;
    void compose();
    void begin_with(const PeerPtr& peer);
    http::Async<void> look_at(PeerPtr peer);
    http::Async<Link> ask(PeerPtr peer);
    bool is_second(const Peer& peer, const Link& link) const;
    void note(const Peer& peer, const Link& before, const Link& now) const;
    void tell(const Peer& peer, std::string code, std::string message,
              std::string evidence = {}) const;
    void tell_of_own_clock();

    // finding.cpp
    void look_around();
    FoundPeers::Looks looks_at_found() const;
    bool is_known_otherwise(Origin origin, const Link& link) const;
    void tell_of_gone(const List& before) const;
    void tell_of_discovery();
    void discover();

    // meeting.cpp, control loop
    void meet();
    void begin_to_meet(const DhtSettings& settings);
    void hear_of_others();
    void remember(const swarm::Item& item);
    bool try_other_places();
    void use_pointers();
    std::vector<Head> sought() const;
    void tell_others(const DhtSettings& settings);
    void take_up_far(const DhtSettings& settings);
    bool is_alone(const DhtSettings& settings) const;
    void tell_of_swarm(bool is_alone);

    // releases.cpp, control loop
    bool is_followed_on(const PeerPtr& peer) const;
    http::Async<void> follow(PeerPtr peer);
    void take_heads(const PeerPtr& peer, Heads heads, const std::string& note);
    bool is_fork(const Peer& peer, const Heads& heads, const std::string& note) const;
    std::string keep_notes(const Peer& peer, const std::string& note) const;
    void ignore(const PeerPtr& peer, const std::string& why);
    http::Async<void> consider(PeerPtr peer);
    http::Async<void> look_at_heads(PeerPtr peer);
    http::Async<void> look_for_suite(PeerPtr peer, std::shared_ptr<archive::Archive> archive,
                                     std::string suite);
    http::Async<bool> take(PeerPtr peer, Head head, std::shared_ptr<archive::Archive> archive);
    void note_taken(const PeerPtr& peer, const archive::Offered& offered);
    http::Task<catalog::ReleaseFiles> get_release(PeerPtr peer, Head head);

    // sets.cpp, control loop
    bool is_told() const;
    http::Async<void> update_sets();
    bool update_own_sets(const std::map<std::string, GivenIndex>& given);
    http::Async<void> hear(PeerPtr peer);
    void take_have(Peer& peer, std::string_view body, std::uint64_t after,
                   const Universes& universes);
    static Says what_says(const Peer& peer, const Places& places);
    Places places_of(const Digest& digest) const;
    http::Async<void> tell_have(http::Exchange& exchange, AskedHave asked);

    // serve.cpp, on the client's loop
    bool is_within_budget(const std::string& address);
    bool is_quiet_for(const std::string& address) const;
    http::Async<void> answer_asked(http::Exchange& exchange, Asked asked);
    http::Async<void> tell_who(http::Exchange& exchange, AskedNode asked);
    http::Async<void> tell_heads(http::Exchange& exchange, AskedHeads asked);
    bool is_for_others(const Torrent& torrent) const;
    std::shared_ptr<const OwnHeads::Announced> heads_now();
    http::Async<void> give_torrent(http::Exchange& exchange, AskedTorrent asked);
    http::Async<void> give_share(http::Exchange& exchange, AskedShare asked);
    http::Async<void> give_release(http::Exchange& exchange, AskedRelease asked);
    http::Async<void> give(http::Exchange& exchange, AskedFile asked);
    http::Async<bool> give_of_archive(http::Exchange& exchange, const AskedFile& asked,
                                      const archive::Archive& archive,
                                      const archive::Archive::Given& given);
    http::Async<bool> fetch_for(http::Exchange& exchange, AskedFile asked);
    http::Async<std::optional<Work>> find_work(AskedFile asked);

    archive::Services& services_;
    archive::Front& front_;
    swarm::Process& swarm_;
    const std::optional<tlog::SignerKey> identity_;
    const std::string run_;  // of this process
    const ReadPeer read_peer_;
    std::mutex composing_;  // guards the next six, and the exchange of the list
    std::vector<PeerSettings> configured_, ordered_;
    std::vector<Found> found_, found_far_;
    std::map<std::string, std::string> pointed_at_;  // URLs by identity
    Reachable reachable_;
    std::atomic<std::shared_ptr<const List>> peers_;
    std::atomic<MayAsk> may_ask_{MayAsk::clients};
    std::atomic<std::shared_ptr<const std::vector<QuietHours>>> quiet_{
        std::make_shared<const std::vector<QuietHours>>()};
    std::atomic<Discover> discover_{Discover::off};
    std::atomic<std::uint64_t> answers_{0}, bytes_{0}, not_held_{0}, fetched_{0};
    std::optional<OwnHeads> own_heads_;  // with an identity
    Torrents torrents_;
    const std::shared_ptr<OwnSets> own_sets_;  // outlives it in the hands of the store
    std::atomic<bool> was_asked_{false};       // for news, by another node
    bool is_clock_told_ = false;               // control loop, as the next
    bool is_updating_ = false;
    SteadyTime next_update_{};
    http::Wakers waiting_{kMostWaiting}, expecting_{kMostWaiting};
    Budgets budgets_;
    Slots waiting_slots_{kMostOfAnAddress}, fetching_slots_{kMostFetchesOfAnAddress},
        have_slots_{kMostOfAnAddress};
    std::map<std::string, SteadyTime> tried_;   // "PEER ARCHIVE ID" until then; control loop
    std::atomic<bool> must_try_again_{false};   // the policy may be another one
    std::atomic<bool> must_find_again_{false};  // others may be named
    FoundPeers finding_;                        // control loop, as the next
    Discovery::State told_discovery_ = Discovery::State::off;
    // What the process says, and what was heard before a restart.
    const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
    const std::shared_ptr<Inbox> remembered_ = std::make_shared<Inbox>();
    std::atomic<std::shared_ptr<const DhtSettings>> dht_settings_{
        std::make_shared<const DhtSettings>()};
    std::atomic<std::shared_ptr<const DhtReport>> dht_report_{std::make_shared<const DhtReport>()};
    std::shared_ptr<const DhtSettings> met_with_;  // control loop, as the next
    Dht dht_;
    FoundPeers finding_far_{kFarLimits};
    SteadyTime next_meeting_{}, next_places_{};
    std::vector<swarm::Place> places_;
    /// Of one that is followed: at which of its places it is looked for.
    struct Tried {
        std::size_t place = 0;
        unsigned moves = 0;  // since it was there last
        SteadyTime may_move{};
    };
    std::map<std::string, Tried> places_tried_;  // by identity
    bool is_alone_told_ = false;
    const std::unique_ptr<Discovery> discovery_ = make_discovery();
    std::atomic<bool> is_stopping_{false};
};

}  // namespace aptward::peer
