// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// The face of fetch/: bytes by digest from any of several sources, hashed as they come; and small
// documents that are not known by digest yet.
//
// One flight per digest, however many ask. A flight survives dead, slow and lying sources as long
// as one good source is left (docs/architecture.md, "A fetch").

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/digest.h"
#include "base/file.h"
#include "base/pool.h"
#include "base/result.h"
#include "fetch/source.h"
#include "fetch/stream.h"
#include "http/client.h"
#include "http/task.h"
#include "store/private_marks.h"
#include "store/store.h"

namespace aptward::fetch {

class FlightFile;
class FlightRun;

/// From this size on, what comes is passed on before it is proven, but for its end; what is smaller
/// is stored first.
inline constexpr std::uint64_t kStreamedFrom = 4 << 20;

/// By which a node asks another one for a file that it may have to fetch (docs/formats/peer.md).
inline constexpr std::string_view kFetchHeader = "Aptward-Fetch";

/// What is wanted and where it may be.
struct Want {
    Digest digest;
    /// Names of these bytes at every source, best first ("dists/x/by-hash/...", canonical name),
    /// percent-encoded, without leading slash.
    std::vector<std::string> paths;
    std::vector<SourcePtr> sources;
    /// Sources that have these bytes under names of their own.
    struct Elsewhere {
        enum class Turn {
            first,     ///< Before the others: it is near.
            service,   ///< Then: it is at this site, as far as anybody knows.
            delegate,  ///< Then, in the order given: it is asked to fetch what it does not hold.
            ranked,    ///< When its turn comes by what was measured, as the others.
            last,      ///< After all others.
        };
        SourcePtr source;
        std::vector<std::string> paths;
        Turn turn = Turn::last;
        bool has_said_so = false;  ///< That it has them.
    };
    std::vector<Elsewhere> elsewhere;
    /// The names can belong to another generation at a source: a wrong size or hash there is a
    /// mixture, not a lie. Not so for pool files, nor for by-hash names among `paths`.
    bool is_mutable_name = false;
    std::string archive;  ///< For events only.
    /// False: only for whoever holds the flight. Not stored, unless another one wants it kept.
    bool is_kept = true;
    /// Whoever waits for it waits for all of it: nothing is passed on before it is proven.
    bool is_read_whole = false;
    /// Only another node wants it: this node's own are not kept waiting by many of these.
    bool is_for_another = false;
    /// A client's own, for the first of the sources and no other (archive-reality 14); or null.
    CredentialsPtr lent;
};

/// One body on its way. Any thread reads; the fetch thread and its writer write.
class Flight {
public:
    /// A flight whose bytes nobody wants kept ends with `verified`.
    enum class Phase { running, verified, stored, failed };

    /// Which of the flights of one time it is.
    struct Key {
        Digest digest;
        std::string owner;  ///< The archive whose credentials it may use; empty: it uses none.
        /// It may wait for a flight of another node; none of another node waits for it.
        bool delegates = false;
        bool operator<(const Key& other) const
        {
            return std::tie(digest, owner, delegates) <
                   std::tie(other.digest, other.owner, other.delegates);
        }
    };

    explicit Flight(Key key) : key_(std::move(key)) {}

    const Digest& digest() const { return key_.digest; }
    Phase phase() const { return phase_.load(std::memory_order_acquire); }
    bool is_over() const { return phase() != Phase::running; }
    /// Bytes [0, available) are in the file, and may be passed on: right so far as far as anybody
    /// knows. None while some came from a peer that was asked because nothing was to be passed on.
    std::uint64_t available() const
    {
        return is_doubtful_ ? 0 : available_.load(std::memory_order_acquire);
    }
    /// Grows when the bytes so far turned out wrong and were thrown away: whoever sent any of them
    /// to a client must cut that client's connection.
    std::uint32_t epoch() const { return epoch_.load(std::memory_order_acquire); }
    /// The file that grows; held by whoever reads.
    std::shared_ptr<const Fd> file() const { return file_.load(); }
    /// After `failed`: not_found when every source of it answered that it has no such file,
    /// untrusted when one gave other bytes under its names, storage when neither the disk nor
    /// memory had room for it; else unavailable. Peers count for neither of the first two.
    std::shared_ptr<const Error> error() const { return error_.load(); }
    /// Wakes `signal` at every change until it or the flight ends. Any thread.
    void follow(std::shared_ptr<http::Signal> signal);

    /// The source that delivered the last byte; for the delivery record.
    std::shared_ptr<const std::string> source() const { return source_.load(); }

private:
    friend class FlightFile;
    friend class FlightRun;
    friend class Fetcher;
    void wake();

    const Key key_;
    std::atomic<Phase> phase_ = Phase::running;
    std::atomic<std::uint64_t> available_ = 0;
    std::atomic<std::uint32_t> epoch_ = 0;
    std::atomic<std::shared_ptr<const Fd>> file_;
    std::atomic<bool> is_doubtful_ = false;
    std::atomic<bool> is_in_memory_ = false;  // the disk took it not: it is passed on only
    std::atomic<bool> is_for_others_ = true;  // until somebody here wants it
    std::atomic<std::shared_ptr<const Error>> error_;
    std::atomic<std::shared_ptr<const std::string>> source_;
    // Under the fetcher's lock:
    bool is_kept_ = false;
    std::vector<Want> joining_;  // what its run has not taken yet
    std::vector<std::pair<const Source*, std::vector<std::string>>> asked_;  // by whom, as what
    std::mutex followers_mutex_;  // misses only; a hit never comes here
    std::vector<std::weak_ptr<http::Signal>> followers_;
};

/// A small text from one source, unproven: an InRelease, a Release.gpg.
struct Document {
    bool is_unchanged = false;  ///< 304 to our validators; body is empty.
    std::string body;
    std::string last_modified, etag;
};

struct DocumentRequest {
    SourcePtr source;
    std::string archive;  ///< For events only.
    std::string path;
    std::uint64_t limit_bytes = 0;
    std::string last_modified, etag;  ///< Of what we have from this very source; may be empty.
    std::chrono::milliseconds time_limit{8000};
    bool is_optional = false;  ///< A 404 is an answer like any other, no fault.
    bool is_probe = false;     ///< Only whether it would be given: the body stays empty.
    /// Credentials to use instead of the source's own; or null. With them, 401 and 403 are the
    /// client's fault and not the source's: untrusted.
    CredentialsPtr lent;
};

/// What happened to a source or a fetch, for the log, the event stream and the metrics.
struct FetchEvent {
    std::string code;  ///< "source.stalled", "fetch.wrong-bytes", "store.full"
    std::string archive, source, message;
    std::string evidence;  ///< The digest that was signed, when other bytes came.
};

class Fetcher {
public:
    using EventSink = std::function<void(const FetchEvent&)>;

    /// The sink is called on the fetch thread and must not block.
    Fetcher(http::Client& client, std::shared_ptr<store::Blobs> blobs,
            store::PrivateMarks& private_marks, WorkerPool& workers, EventSink sink);

    /// Joins the flight of this digest or starts one. A flight that is joined for another archive
    /// may use that one's sources too, but credentials are never used for another archive: what
    /// needs any has flights of its own. Any thread.
    std::shared_ptr<Flight> fetch(Want want);

    /// Any coroutine. Fails with not_found (404), unavailable, malformed (over the limit),
    /// untrusted (lent credentials were not accepted).
    http::Task<Document> document(DocumentRequest request);

    /// Joins the stream of this archive and path or starts one: bytes that nothing vouches for.
    /// Any thread.
    std::shared_ptr<Stream> stream(StreamRequest request);

    /// Asks every source how large `path` is there. Any coroutine.
    http::Async<Measurement> measure(std::vector<SourcePtr> sources, std::string path);

    /// Charges a source with what a policy found out later (stale, untrusted, portal). Any thread.
    void charge(const SourcePtr& source, Fault fault, std::string message);

    /// Any coroutine.
    http::Async<std::vector<SourceReport>> report(std::vector<SourcePtr> sources);

    /// Who is asked instead of `sources`, in the same order, while a drill runs. Any coroutine.
    /// Fails with unavailable.
    http::Task<std::vector<SourcePtr>> stand_ins(std::vector<SourcePtr> sources, Disturbed whom,
                                                 std::shared_ptr<const Disturbance> disturbance);

    /// `stored` is called on the fetch thread, and must not block, with every digest of what came
    /// and is held now, and the archive whose source gave it. Set before anything is fetched.
    using Stored = std::function<void(const std::vector<Digest>&, const std::string& archive)>;
    void on_stored(Stored stored) { stored_ = std::move(stored); }

    /// Bytes of files that have come since the start. Any thread.
    std::uint64_t came() const { return came_.load(std::memory_order_relaxed); }

    /// True for an hour after a digest's bytes turned out wrong: a client may hold a wrong
    /// beginning, so ranges of it are answered whole. Any thread.
    bool was_wrong_lately(const Digest& digest) const;

    // For the flights, on the fetch thread:
    http::Client& client() { return client_; }
    void event(std::string code, const std::string& archive, const SourcePtr& source,
               std::string message, std::string evidence = {});
    /// The event for a file that could not be written.
    void tell_unkept(const std::string& archive, const Error& why);
    void land(const std::shared_ptr<Flight>& flight, const std::vector<Digest>& proven,
              const std::string& archive);
    void drop(const std::shared_ptr<Flight>& flight);
    /// What came to a flight since it was asked last.
    std::vector<Want> take_joining(Flight& flight);
    /// Whether anybody but its run holds the flight.
    bool is_wanted(const std::shared_ptr<Flight>& flight) const;
    /// Drops a flight that nobody holds any more. False: somebody does.
    bool leave_unwanted(const std::shared_ptr<Flight>& flight);
    /// The run is over: another one may start.
    void ended(const std::string& lane);
    /// Drops the flight, unless something came to it: then it has to go on with that.
    std::vector<Want> leave(const std::shared_ptr<Flight>& flight);
    void drop(const StreamRequest& request);
    void note_wrong(const Digest& digest);
    /// Room for so many bytes in memory while what it gives is held; null when there is none. Any
    /// thread.
    std::shared_ptr<void> take_memory(std::uint64_t bytes);
    /// The thread that hashes and writes what comes.
    WorkerPool& writer() { return writer_; }
    /// Returns when it is not far behind.
    void wait_for_writer();
    /// Bytes that the writer is to write, and those that it has written or need not. Any thread.
    void note_taken(std::uint64_t bytes)
    {
        unwritten_.fetch_add(bytes);
        came_.fetch_add(bytes, std::memory_order_relaxed);
    }
    void note_written(std::uint64_t bytes);
    store::Blobs& blobs() { return *blobs_; }

private:
    /// Right bytes that are not stored yet.
    struct Landed {
        std::shared_ptr<Flight> flight;
        std::vector<Digest> proven;
        std::string archive;
    };
    void gather();
    void start_storing();
    void store_landed();
    std::vector<Result<void>> keep(const std::vector<Landed>& batch);
    void settle(const std::vector<Landed>& batch, const std::vector<Result<void>>& kept);
    void forget(const Flight& flight);
    void start_waiting();
    static std::shared_ptr<Flight> refused(const Digest& digest);

    http::Client& client_;
    std::shared_ptr<store::Blobs> blobs_;
    store::PrivateMarks& private_marks_;
    WorkerPool& workers_;
    EventSink sink_;
    Stored stored_;
    mutable std::mutex mutex_;  // misses only
    std::map<Flight::Key, std::shared_ptr<Flight>> flights_;
    std::mutex landed_mutex_;
    std::vector<Landed> landed_;
    bool is_storing_ = false;  // a worker has come for them, or will
    // On the fetch thread:
    bool is_gathering_ = false;  // a worker is called when some more have landed
    std::uint64_t gathering_ = 0;
    std::deque<std::shared_ptr<FlightRun>> waiting_;
    // Outlives the fetcher with whoever still reads.
    std::shared_ptr<std::atomic<std::uint64_t>> memory_ =
        std::make_shared<std::atomic<std::uint64_t>>(0);
    std::atomic<std::uint64_t> unwritten_{0}, came_{0};
    std::map<std::string, std::size_t> running_;  // by lane
    std::size_t all_running_ = 0;
    std::unordered_map<Digest, SteadyTime, DigestHash> wrong_;  // under the lock, as the next
    std::map<std::pair<std::string, std::string>, std::shared_ptr<Stream>> streams_;
    WorkerPool writer_{1};  // last: it ends before what it uses
};

}  // namespace aptward::fetch
