// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The state machine of one flight, on the fetch thread. Private to fetch/.
//
// At most two attempts run at once. The LEAD fills the file from where the last one stopped. When
// it gives no first byte in time, or is far slower than others would be, a RESCUE starts at the
// next best source, from the byte that is needed; it takes over with its first useful byte.
//
//      lead    ====================x            (stalls at x)
//      rescue                      ======...    (Range: bytes=x-)
//
// The hash runs along (flight_file.h). A wrong hash at the end throws everything away (a new
// epoch): if one source gave all bytes it lied; if several did, the next try takes all from one, so
// that the liar shows.

#include <deque>
#include <optional>
#include <set>

#include "fetch/fetch.h"
#include "fetch/flight_file.h"
#include "fetch/pull.h"

namespace aptward::fetch {

class FlightRun : public std::enable_shared_from_this<FlightRun> {
public:
    FlightRun(Fetcher& fetcher, std::shared_ptr<Flight> flight);
    ~FlightRun();
    FlightRun(const FlightRun&) = delete;
    FlightRun& operator=(const FlightRun&) = delete;
    /// What it counts for where the number of flights is limited: an archive, or its indexes.
    const std::string& lane() const { return lane_; }
    /// Nobody here wants it so far.
    bool is_for_others() const { return flight_->is_for_others_; }
    /// Before start(): whoever wanted it has left, and it is dropped.
    bool is_left() { return fetcher_.leave_unwanted(flight_); }
    /// `lane`: for which it counts until it is over.
    void start(std::string lane);

    // What its file tells:
    /// All bytes are written, and these are their hashes.
    void finish(const std::vector<Digest>& proven);
    /// Neither the disk nor memory takes them.
    void give_up_for_want_of_room(std::string message);

private:
    struct Attempt;
    using AttemptPtr = std::unique_ptr<Attempt>;
    using Turn = Want::Elsewhere::Turn;

    /// A source with the names of the bytes there, and for which archive it is asked.
    struct Offer {
        SourcePtr source;
        std::vector<std::string> paths;
        std::string archive;
        bool is_mutable_name = false;
        CredentialsPtr lent;
        Turn turn = Turn::ranked;
        bool is_passed_on = true;  // to clients, before it is proven
        bool has_said_so = false;  // that it has it
        double order = 0;          // of its coming
        bool is_delegate() const { return turn == Turn::delegate; }
    };
    enum class Whom { all, upstreams };

    // Choosing
    bool join(std::vector<Want> wants);
    void join(Offer offer);
    const Offer* next_offer(Whom whom = Whom::all) const;
    double score_of(const Offer& offer, SteadyTime now) const;
    bool is_near_indeed(const Offer& offer, SteadyTime now) const;
    AttemptPtr begin(const Offer& offer, std::size_t path_index);
    const std::string& archive() const;
    bool start_lead();
    void start_rescue(std::string_view why, Whom whom = Whom::all);
    void next_round();

    // Events of attempts
    void on_sign(Attempt& attempt, std::uint64_t bytes);
    bool on_head(Attempt& attempt, const http::UpstreamHead& head);
    void note_refusal(Attempt& attempt, int status, SteadyTime now);
    bool on_body(Attempt& attempt, std::string_view bytes);
    void on_complete(Attempt& attempt);
    void fail(Attempt& attempt, Fault fault, std::string message);
    bool try_next_name(Attempt& attempt);
    bool leaves_only_promises();
    std::size_t count_honest() const;
    void move_on(Attempt& attempt);
    void promote_rescue();

    // Time
    void tick();
    void watch_first_byte(SteadyTime now);
    void watch_rate(SteadyTime now);
    void watch_rescue(SteadyTime now);
    static bool is_patient_with(const Attempt& attempt, SteadyTime now);
    static std::chrono::milliseconds silence_of(const Attempt& attempt, SteadyTime now);
    bool is_forsaken(SteadyTime now);
    void forsake();

    // Bytes
    bool take(Attempt& attempt, std::string_view bytes);
    bool is_being_written() const;
    bool suspect_peers();
    void throw_away();
    void begin_epoch();
    bool goes_on_for_others();
    void give_up(std::string message);
    void end(Error error);
    void stop();
    void settle_rate(Attempt& attempt);
    void retire(AttemptPtr& attempt);

    Fetcher& fetcher_;
    std::shared_ptr<Flight> flight_;
    const std::shared_ptr<FlightFile> file_;
    const Digest digest_;
    std::string lane_;
    std::deque<Offer> offers_;  // grows only: attempts point into it
    AttemptPtr lead_, rescue_;
    std::vector<AttemptPtr> retired_;  // until no callback of theirs is on the stack
    std::set<const Offer*> tried_;     // in this round
    std::set<const Source*> liars_;    // for this digest: never again in this flight
    std::set<const Source*> givers_;   // of the bytes written in this epoch
    std::size_t missing_ = 0;          // sources that say they have no such file, in this round
    bool showed_others_ = false;       // a source gave other bytes under these names
    std::string last_failure_;
    std::uint64_t taken_ = 0;  // bytes that came, written or about to be
    bool takes_all_from_one_ = false;
    int rounds_ = 0;
    SteadyTime last_progress_{}, last_wanted_{};
    bool is_over_ = false;
};

}  // namespace aptward::fetch
