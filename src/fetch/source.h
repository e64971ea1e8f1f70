// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// One place that gives bytes: an upstream or mirror, with what we learned about it.

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/result.h"
#include "fetch/disturbance.h"

namespace aptward::fetch {

/// What a source did wrong. Told apart because each has another consequence and another cure.
enum class Fault : std::uint8_t {
    refused,       ///< no connection, or TLS failed
    not_resolved,  ///< its name has no address
    stalled,       ///< no byte in time
    slow,          ///< a rate far below what others deliver
    truncated,     ///< ended inside the body
    denied,        ///< 401, 403 and other 4xx
    missing,       ///< 404, 410
    failing,       ///< 5xx, 429
    wrong_size,    ///< announced or sent another size than signed
    wrong_bytes,   ///< right size, wrong hash: a lie
    mixed,         ///< an index name that belongs to another generation
    stale,         ///< an older release than one already accepted
    portal,        ///< something else altogether: a login page
    redirect,      ///< a redirect that may not be followed
    protocol,      ///< broken HTTP, endless heads or bodies
    untrusted,     ///< a release that the policy refuses
};
inline constexpr std::size_t kFaultKinds = 16;
std::string_view to_string(Fault fault);

/// Basic credentials; never logged, never put into a URL.
struct Credentials {
    std::string user, password;
};
using CredentialsPtr = std::shared_ptr<const Credentials>;

/// Header lines to send with a request for this URL, made when it starts.
using SignRequest = std::function<std::vector<std::string>(const std::string& url)>;

struct SourceSettings {
    /// A peer is another node: it gives held bytes by their digest, and knows nothing of the
    /// archive. That it lacks a file says nothing, and wrong bytes of it are nobody's but its own.
    /// A service keeps blobs for several nodes: the same holds for it, but it is no stranger.
    enum class Kind { upstream, peer, service };
    Kind kind = Kind::upstream;
    std::string url;  ///< "http://mirror.example/debian", no trailing slash, no credentials
    std::string user, password;
    bool may_be_private = true;  ///< Whether its name may lead to a private address (A19).
    SignRequest sign;            ///< Who asks is shown so; null: by user and password, if any
    /// Of a service: told on the fetch thread that it gave other bytes than these. Null: not told.
    std::function<void(const Digest&)> spoilt;
    std::string proxy;  ///< Outgoing proxy; empty: none
    std::string ca;     ///< File of the only certificate authorities for https; empty: the system's
};

/// Gets some of the bytes of a digest from an offset on, none at their end. Unchecked. Any thread.
using TookPiece = std::function<void(Result<std::string> piece)>;
/// Of a source that is a file on this machine: reads such a piece on a thread of its own.
using ReadLocal = std::function<void(const Digest& digest, std::uint64_t offset, TookPiece took)>;

/// What `status` and the metrics show of a source.
struct SourceReport {
    std::string url;
    bool is_open = false;           ///< The circuit breaker keeps it for last.
    SystemTime open_until{};        ///< After bad luck: a good answer ends it too.
    SystemTime distrusted_until{};  ///< After a lie: only time ends it.
    SystemTime avoided_until{};     ///< For any reason: others are asked before it.
    double latency_ms = 0;
    double rate_bytes_per_s = 0;
    std::uint64_t bytes = 0, answers = 0, failures_in_a_row = 0;
    std::array<std::uint64_t, kFaultKinds> faults{};
    std::string last_fault;
    SystemTime last_fault_time{}, last_good_time{};
};

/// Of a peer, before it streams a large file to clients; guess.
inline constexpr std::uint64_t kProvenToBeTried = 1 << 20;

/// Lives on the fetch thread, like everything that calls it.
class Source {
public:
    explicit Source(SourceSettings settings, ReadLocal read_local = nullptr)
        : settings_(std::move(settings)), read_local_(std::move(read_local))
    {
    }

    const SourceSettings& settings() const { return settings_; }
    const std::string& url() const { return settings_.url; }
    /// A peer, or a service: it gives what it holds by its digest, and knows nothing of archives.
    bool is_holder() const { return settings_.kind != SourceSettings::Kind::upstream; }
    bool is_service() const { return settings_.kind == SourceSettings::Kind::service; }
    /// Null for a source in the network.
    const ReadLocal& read_local() const { return read_local_; }

    /// It answered after that time.
    void answered(std::chrono::milliseconds latency);
    /// It delivered bytes at a pace. Proven ones alone make earlier lies forgotten.
    enum class Proof { none, digest };
    void delivered(std::uint64_t bytes, std::chrono::milliseconds taken, Proof proof);
    /// A peer does not have what it was asked for, or does not give it. A service gets what is new
    /// from its nodes, so what is new is asked for in vain.
    void lacked()
    {
        if (!is_service())
            ++lacks_in_a_row_;
    }
    /// A service whose keys may not list says 403 for what it lacks. Any thread.
    void denies_what_it_lacks(bool does) { denies_what_it_lacks_.store(does); }
    bool denies_what_it_lacks() const { return denies_what_it_lacks_.load(); }
    /// A peer does not have what it said it has. True when that is once too often: for a while, the
    /// longer the more often, nothing counts that it says of itself. Anything right that it gives
    /// ends that.
    bool broke_its_word(SteadyTime now, std::string_view how);
    bool keeps_its_word(SteadyTime now) const { return now >= unheard_until_; }
    /// Neither open nor unheard. Any thread.
    bool may_be_counted_on(SteadyTime now) const { return now >= avoided_until_.load(); }
    /// A peer that is one of several sources of which one lied: for a while it is asked last, and
    /// has to prove itself anew.
    void suspect(SteadyTime now);
    /// It did something wrong. `missing` and `mixed` do not count against its health.
    void charge(Fault fault, std::string_view message, SteadyTime now);

    /// The breaker is open: use it only when nothing else is left, or to probe.
    bool is_open(SteadyTime now) const { return now < open_until_ || now < distrusted_until_; }
    /// Smaller is better: expected milliseconds for so many bytes, with penalties.
    double expected_ms(std::uint64_t bytes) const;
    /// The order in which sources are asked, the smallest first: the same, those whose breaker is
    /// open last.
    double rank(std::uint64_t bytes, SteadyTime now) const
    {
        return expected_ms(bytes) + (is_open(now) ? 1e9 : 0);
    }
    /// How long to wait for its first byte before another source is asked as well.
    std::chrono::milliseconds hedge_delay() const;
    double rate_bytes_per_s() const { return rate_; }
    /// Whether it may give what is passed on before it is proven: an upstream, or a peer that has
    /// given much and nothing wrong since.
    bool is_tried() const
    {
        return settings_.kind != SourceSettings::Kind::peer || proven_bytes_ >= kProvenToBeTried;
    }
    /// Since its last good answer.
    std::uint64_t failures_in_a_row() const { return failures_in_a_row_; }

    SourceReport report(SteadyTime now) const;
    /// What survives a restart: latency, rate, failures in a row, the last fault, and how long the
    /// breaker stays open, which is never longer than it would be anew.
    void restore(const SourceReport& before, SteadyTime now);

    /// One that is asked in its place while a drill runs, with all that was learned so far; what
    /// that one learns goes with it. `disturbance`: what happens to its transfers, or null.
    std::shared_ptr<Source> stand_in(std::shared_ptr<const Disturbance> disturbance) const;
    /// What happens to its transfers now, or null.
    const Disturbance* disturbance() const
    {
        return was_disturbed() && !disturbance_->is_over ? disturbance_.get() : nullptr;
    }
    /// What came from it may be a drill's doing. Any thread.
    bool was_disturbed() const { return disturbance_ != nullptr; }

private:
    template <class T>
    struct Copied : std::atomic<T> {  // with a source
        Copied() : std::atomic<T>(T{}) {}
        Copied(const Copied& other) : std::atomic<T>(other.load()) {}
        Copied& operator=(const Copied&) = delete;
    };

    SourceSettings settings_;
    Copied<bool> denies_what_it_lacks_;
    ReadLocal read_local_;
    std::shared_ptr<const Disturbance> disturbance_;  // of a stand-in
    double latency_ms_ = 0;                           // exponentially weighted; 0: not known yet
    double rate_ = 0;
    std::uint64_t bytes_ = 0, answers_ = 0, failures_in_a_row_ = 0;
    std::uint64_t proven_bytes_ = 0;    // since its last lie
    std::uint64_t lacks_in_a_row_ = 0;  // of a peer, since it last gave something
    std::uint64_t lies_in_a_row_ = 0;
    std::uint64_t broken_words_ = 0, times_unheard_ = 0;  // since it last kept its word
    SteadyTime unheard_until_{};
    void note_health();
    Copied<SteadyTime> avoided_until_;
    SteadyTime open_until_{};
    SteadyTime distrusted_until_{};  // after a lie; only time ends it
    std::array<std::uint64_t, kFaultKinds> faults_{};
    std::string last_fault_;
    SystemTime last_fault_time_{}, last_good_time_{};
};

using SourcePtr = std::shared_ptr<Source>;

}  // namespace aptward::fetch
