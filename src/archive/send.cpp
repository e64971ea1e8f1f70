// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/send.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "archive/deliveries.h"
#include "archive/hot_answers.h"
#include "base/text.h"
#include "store/hot_blobs.h"

namespace aptward::archive {
namespace {

using fetch::Flight;
using std::chrono::milliseconds;

constexpr std::uint64_t kTail = 64 * 1024;
// apt gives up after 30 s without a byte; a clear error comes long before (D.2, 18).
constexpr milliseconds kFirstByte{9000};
constexpr milliseconds kNextByte{25'000};
constexpr const char* kRetryAfter = "5";
// Another node has a patience of its own; guesses.
constexpr milliseconds kSignPause{300};
constexpr milliseconds kSignsInAnyCase{3000};
constexpr std::chrono::minutes kLongestWork{5};

// A loop is a thread, so this is one for each loop; together they hold 16 MiB or a little more.
store::HotBlobs& hot_blobs()
{
    constexpr std::uint64_t kAllLoops = 16 << 20;
    constexpr std::uint64_t kLeast = 1 << 20;
    static const unsigned kLoops = std::max(1U, std::thread::hardware_concurrency());
    thread_local store::HotBlobs hot({std::max(kLeast, kAllLoops / kLoops), 2048});
    return hot;
}

// Of what a client wants, held back until the hash of the whole file is right (A1-note).
std::uint64_t tail_of(std::uint64_t size)
{
    return std::max<std::uint64_t>(1, std::min(kTail, size / 10));
}

http::Answer answer_head(int status, const std::string& etag, const Provenance& provenance,
                         std::string_view cache_status)
{
    http::Answer answer(status);
    answer.header("Last-Modified", http::format_http_date(provenance.modified));
    answer.header("ETag", etag);
    answer.header("Accept-Ranges", "bytes");
    answer.header("Age", fmt::format_int(std::max<std::int64_t>(0, provenance.age_s)).str());
    answer.header("Cache-Status", cache_status);
    if (!provenance.generation.empty())
        answer.header("Aptward-Generation", provenance.generation);
    if (provenance.is_unverified)
        answer.header("Aptward-Proof", "none; this archive is configured unverified");
    return answer;
}

bool lists_etag(std::string_view header, const std::string& etag)
{
    return header == "*" || header.find(etag) != std::string_view::npos;
}

// RFC 9110 13.2.2: If-None-Match first, If-Modified-Since only without it.
bool is_unchanged(const http::RequestHead& head, const std::string& etag, SystemTime modified)
{
    if (const auto listed = head.header("If-None-Match"))
        return lists_etag(*listed, etag);
    const auto since = head.header("If-Modified-Since");
    if (!since)
        return false;
    const auto time = http::parse_http_date(*since);
    return time && modified <= *time;
}

// RFC 9110 13.1.5: a range is given only when the validator is exactly ours; apt sends the date.
http::RangeDecision range_of(const http::RequestHead& head, const std::string& etag,
                             SystemTime modified, std::uint64_t size)
{
    const auto range = head.header("Range");
    if (!range || head.method != "GET")
        return {};
    if (const auto condition = head.header("If-Range")) {
        const auto date = http::parse_http_date(*condition);
        if (*condition != etag && (!date || *date != modified))
            return {};
    }
    return http::decide_range(*range, size);
}

std::string etag_of(const Digest& digest)
{
    return '"' + digest.hex() + '"';
}

/// Status and slice of a body of `size` bytes.
struct Slice {
    int status = 200;
    std::uint64_t first = 0, count = 0;
    std::string content_range;
};

Slice slice_of(const http::RangeDecision& decision, std::uint64_t size)
{
    switch (decision.answer) {
        case http::RangeAnswer::whole:
            break;
        case http::RangeAnswer::part:
            return {206, decision.range.first, decision.range.last - decision.range.first + 1,
                    fmt::format("bytes {}-{}/{}", decision.range.first, decision.range.last, size)};
        case http::RangeAnswer::unsatisfiable:
            return {416, 0, 0, fmt::format("bytes */{}", size)};
    }
    return {200, 0, size, ""};
}

// The end of every answer with proven bytes. HEAD and 416 deliver nothing.
void record(const http::Exchange& exchange, const Provenance& provenance, std::string_view digest,
            std::string_view source, bool is_complete, Services& services)
{
    if (exchange.head().method == "HEAD" || exchange.status() == 416)
        return;
    services.counters.sent_bytes += exchange.sent_bytes();
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    services.deliveries.add({std::chrono::duration_cast<milliseconds>(now).count(),
                             exchange.principal().address, provenance.archive, provenance.path,
                             digest, provenance.generation_id, source, exchange.sent_bytes(),
                             static_cast<std::uint16_t>(exchange.status()), is_complete});
}

http::Async<bool> send_unchanged(http::Exchange& exchange, const std::string& etag,
                                 const Provenance& provenance)
{
    http::Answer answer = answer_head(304, etag, provenance, "aptward; hit");
    co_return co_await exchange.send(std::move(answer), "");
}

// The same again for whoever asks for the same, from now on without looking anything up.
void keep_hot(const http::Exchange& exchange, const http::Answer& answer,
              const Provenance& provenance, const Digest& digest, const store::HotBlobPtr& blob,
              Services& services)
{
    const bool is_whole = answer.status == 200 && exchange.head().method == "GET";
    if (provenance.moment == 0 || !is_whole || blob == nullptr)
        return;
    HotAnswer hot{http::head_of(answer, digest.size_bytes),
                  digest,
                  std::string(provenance.archive),
                  std::string(provenance.path),
                  digest.hex(),
                  std::string(provenance.generation_id)};
    services.hot_answers.keep(exchange.head().target, provenance.moment, std::move(hot), blob);
}

void tell_unreadable(Services& services, std::string_view archive, const Digest& digest,
                     std::string what_happened)
{
    catalog::Event event;
    event.code = "store.unreadable";
    event.archive = archive;
    event.evidence = digest.hex();
    event.message = std::move(what_happened);
    services.events.add(std::move(event));
}

// `blob` is null for a slice of nothing. False when the client did not get all of it.
http::Async<bool> send_held(http::Exchange& exchange, http::Answer answer, store::HotBlobPtr blob,
                            Slice slice)
{
    if (blob == nullptr || blob->is_in_hand) {
        const std::string_view all = blob == nullptr ? std::string_view() : blob->bytes;
        const std::string_view part = all.substr(slice.first, slice.count);
        co_return co_await exchange.send(std::move(answer), part);
    }
    co_return co_await exchange.send_file(std::move(answer), blob->file.get(), slice.first,
                                          slice.count);
}

// Follows a flight of a large file: bytes go out as they come, the tail when the hash is right.
http::Async<bool> follow(http::Exchange& exchange, Flight& flight, http::Signal& signal,
                         Slice slice, std::uint32_t epoch, Counters& counters)
{
    const std::uint64_t end = slice.first + slice.count;
    std::uint64_t sent_to = slice.first;
    while (sent_to < end) {
        const auto phase = flight.phase();
        const bool is_right = phase == Flight::Phase::verified || phase == Flight::Phase::stored;
        const std::uint64_t free_to =
            is_right ? end : std::min(flight.available(), end - tail_of(slice.count));
        // What was sent belongs to bytes that turned out wrong: a cut tells the client so.
        if (flight.epoch() != epoch || phase == Flight::Phase::failed) {
            ++counters.cut;
            exchange.abort();
            co_return false;
        }
        if (sent_to < std::min(free_to, end)) {
            const std::uint64_t count = std::min(free_to, end) - sent_to;
            const auto file = flight.file();
            const bool is_sent = co_await exchange.send_part(file->get(), sent_to, count);
            if (!is_sent)
                co_return false;
            sent_to += count;
            continue;
        }
        const bool is_in_time = co_await signal.wait_until(steady_now() + kNextByte);
        if (!is_in_time) {
            ++counters.cut;
            exchange.abort();
            co_return false;
        }
    }
    co_return true;
}

http::Async<void> send_sentence(http::Exchange& exchange, http::Answer answer, std::string code,
                                std::string message)
{
    const std::string body = code + ": " + message + "\n";
    answer.header("Cache-Status", "aptward; detail=" + code);
    co_await exchange.send(std::move(answer), body);
}

}  // namespace

void let_go_of_evicted()
{
    hot_blobs().sweep();
}

SystemTime modified_of(const Digest& digest)
{
    constexpr std::int64_t kYear2000 = 946'684'800;
    constexpr std::uint64_t kTwentyYears = 631'152'000;
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, digest.hash.data(), sizeof bytes);
    return from_unix(kYear2000 + static_cast<std::int64_t>(bytes % kTwentyYears));
}

void give_up_unreadable(Services& services, std::string_view archive, const Digest& digest)
{
    tell_unreadable(services, archive, digest, "a held file could not be read to its end");
    // The next client gets it from a source again (I4).
    const auto moved = services.blobs.set_aside(digest);
}

http::Async<void> send_refusal(http::Exchange& exchange, int status, std::string code,
                               std::string message, Counters& counters)
{
    co_await send_refusal(exchange, status, std::move(code), std::move(message), counters, "");
}

http::Async<void> send_refusal(http::Exchange& exchange, int status, std::string code,
                               std::string message, Counters& counters, std::string challenge)
{
    http::Answer answer(status);
    answer.type("text/plain; charset=utf-8");
    if (!challenge.empty())
        answer.header("WWW-Authenticate", challenge);
    if (status == 503)
        answer.header("Retry-After", kRetryAfter);
    if (status == 404)
        ++counters.not_found;
    else if (status == 503)
        ++counters.unavailable;
    else
        ++counters.refused;
    co_await send_sentence(exchange, std::move(answer), std::move(code), std::move(message));
}

http::Async<void> send_lasting_refusal(http::Exchange& exchange, std::string code,
                                       std::string message, Counters& counters)
{
    http::Answer answer(503);
    answer.type("text/plain; charset=utf-8");
    ++counters.unavailable;
    co_await send_sentence(exchange, std::move(answer), std::move(code), std::move(message));
}

http::Async<void> send_text(http::Exchange& exchange, std::string_view bytes,
                            const std::string& etag, const Provenance& provenance,
                            Services& services)
{
    Counters& counters = services.counters;
    ++counters.hits;
    if (provenance.is_stale)
        ++counters.stale;
    if (is_unchanged(exchange.head(), etag, provenance.modified)) {
        const bool is_sent = co_await send_unchanged(exchange, etag, provenance);
        record(exchange, provenance, provenance.generation_id, "", is_sent, services);
        co_return;
    }
    const auto decision = range_of(exchange.head(), etag, provenance.modified, bytes.size());
    const Slice slice = slice_of(decision, bytes.size());
    http::Answer answer =
        answer_head(slice.status, etag, provenance,
                    provenance.is_stale ? "aptward; hit; detail=stale" : "aptward; hit");
    answer.type("text/plain; charset=utf-8");
    if (!slice.content_range.empty())
        answer.header("Content-Range", slice.content_range);
    const std::string_view part = bytes.substr(slice.first, slice.count);
    const bool is_sent = co_await exchange.send(std::move(answer), part);
    record(exchange, provenance, provenance.generation_id, "", is_sent, services);
}

namespace {

// What a flight brings, from its first byte that counts on.
http::Async<void> send_flight(http::Exchange& exchange, Flight& flight, http::Signal& signal,
                              Slice slice, const Provenance& provenance, Services& services)
{
    const std::uint32_t epoch = flight.epoch();
    const std::string etag = etag_of(flight.digest());
    const std::string_view hex = std::string_view(etag).substr(1, etag.size() - 2);
    http::Answer answer = answer_head(slice.status, etag, provenance, "aptward; fwd=miss; stored");
    if (!slice.content_range.empty())
        answer.header("Content-Range", slice.content_range);
    bool is_sent = co_await exchange.begin(std::move(answer), slice.count);
    if (is_sent && exchange.head().method != "HEAD") {
        is_sent = co_await follow(exchange, flight, signal, slice, epoch, services.counters);
        if (!is_sent && exchange.is_file_unreadable())
            tell_unreadable(services, provenance.archive, flight.digest(),
                            "a file that is being fetched could not be read");
    }
    const auto source = flight.source();
    record(exchange, provenance, hex, source ? *source : std::string(), is_sent, services);
}

// Whether what is asked for from this byte on may begin to go out. What is small is proven first.
bool may_begin(const Flight& flight, const http::Exchange& exchange, const Slice& slice)
{
    const bool is_streamed =
        flight.digest().size_bytes >= fetch::kStreamedFrom && exchange.head().method == "GET";
    return flight.is_over() || (is_streamed && flight.available() > slice.first);
}

// When another node is told that its file is on its way: while files come here at all, since one
// may have to wait for others, and at first in any case.
class Signs {
public:
    explicit Signs(const fetch::Fetcher& fetcher) : fetcher_(fetcher) {}
    SteadyTime due() const { return due_; }
    bool is_due()
    {
        const SteadyTime now = steady_now();
        if (now < due_)
            return false;
        due_ = now + kSignPause;
        const std::uint64_t before = std::exchange(came_, fetcher_.came());
        return came_ != before || now - started_ < kSignsInAnyCase;
    }
    static std::string next(std::uint64_t bytes)
    {
        return fmt::format("Aptward-Progress: {}\r\n", bytes);
    }

private:
    const fetch::Fetcher& fetcher_;
    const SteadyTime started_ = steady_now();
    SteadyTime due_ = started_;
    std::uint64_t came_ = 0;
};

Slice slice_for(const http::Exchange& exchange, const Digest& digest, const Provenance& provenance,
                Services& services)
{
    auto decision =
        range_of(exchange.head(), etag_of(digest), provenance.modified, digest.size_bytes);
    if (decision.answer == http::RangeAnswer::part && services.fetcher.was_wrong_lately(digest))
        decision = {};  // the client may hold a wrong beginning: it gets all of it again
    return slice_of(decision, digest.size_bytes);
}

}  // namespace

http::Async<bool> send_if_held(http::Exchange& exchange, Digest digest,
                               const Provenance& provenance, Services& services)
{
    Counters& counters = services.counters;
    const std::string etag = etag_of(digest);
    const std::string_view hex = std::string_view(etag).substr(1, etag.size() - 2);
    if (is_unchanged(exchange.head(), etag, provenance.modified)) {
        ++counters.hits;
        const bool is_sent = co_await send_unchanged(exchange, etag, provenance);
        record(exchange, provenance, hex, "", is_sent, services);
        co_return true;
    }
    const Slice slice = slice_for(exchange, digest, provenance, services);
    auto held = hot_blobs().get(services.blobs, digest);
    if (!services.private_marks.may_give(digest, provenance.archive))
        held = fail(Errc::not_found, "it is held for another archive");
    if (!held && held.error().code() == Errc::storage)
        tell_unreadable(services, provenance.archive, digest, held.error().message());
    if (!held && slice.status != 416)
        co_return false;
    ++counters.hits;
    http::Answer answer = answer_head(slice.status, etag, provenance, "aptward; hit");
    if (!slice.content_range.empty())
        answer.header("Content-Range", slice.content_range);
    store::HotBlobPtr blob = held ? *held : nullptr;
    keep_hot(exchange, answer, provenance, digest, blob, services);
    const bool is_sent = co_await send_held(exchange, std::move(answer), std::move(blob), slice);
    record(exchange, provenance, hex, "", is_sent, services);
    if (!is_sent && exchange.is_file_unreadable())
        give_up_unreadable(services, provenance.archive, digest);
    co_return true;
}

http::Async<bool> send_wanted(http::Exchange& exchange, fetch::Want want,
                              const Provenance& provenance, Services& services)
{
    const bool is_held = co_await send_if_held(exchange, want.digest, provenance, services);
    if (is_held)
        co_return true;
    Counters& counters = services.counters;
    const Digest digest = want.digest;
    const Slice slice = slice_for(exchange, digest, provenance, services);
    ++counters.misses;
    auto signal = co_await http::make_signal();
    const auto flight = services.fetcher.fetch(want);
    flight->follow(signal);
    const SteadyTime deadline = steady_now() + kFirstByte;
    while (!may_begin(*flight, exchange, slice)) {
        const bool is_in_time = co_await signal->wait_until(deadline);
        if (!is_in_time) {
            co_await send_refusal(exchange, 503, "fetch.slow",
                                  "no source has delivered this file within 9 s; it is still being "
                                  "fetched, ask again",
                                  counters);
            co_return true;
        }
    }
    if (flight->phase() == Flight::Phase::failed) {
        if (flight->error()->code() == Errc::not_found)
            co_return false;
        if (flight->error()->code() == Errc::storage) {
            co_await send_refusal(exchange, 503, "store.full", flight->error()->message(),
                                  counters);
            co_return true;
        }
        co_await send_refusal(exchange, 503, "fetch.failed",
                              "no source could deliver this file: " + flight->error()->message(),
                              counters);
        co_return true;
    }
    co_await send_flight(exchange, *flight, *signal, slice, provenance, services);
    co_return true;
}

http::Async<bool> send_to_another(http::Exchange& exchange, fetch::Want want,
                                  const Provenance& provenance, Services& services)
{
    const bool is_held = co_await send_if_held(exchange, want.digest, provenance, services);
    if (is_held)
        co_return true;
    const Slice slice = slice_for(exchange, want.digest, provenance, services);
    auto signal = co_await http::make_signal();
    const auto flight = services.fetcher.fetch(std::move(want));
    flight->follow(signal);
    Signs signs(services.fetcher);
    // Only who asks for it is ready for signs.
    const bool is_told = exchange.head().header(fetch::kFetchHeader).has_value();
    const SteadyTime deadline = steady_now() + kLongestWork;
    while (!may_begin(*flight, exchange, slice)) {
        if (signs.is_due() && is_told) {
            const bool is_there = co_await exchange.send_interim(signs.next(flight->available()));
            if (!is_there)
                co_return true;  // nobody waits for it any more
        }
        co_await signal->wait_until(signs.due());
        if (steady_now() >= deadline)
            co_return false;
    }
    if (flight->phase() == Flight::Phase::failed)
        co_return false;
    ++services.counters.misses;
    co_await send_flight(exchange, *flight, *signal, slice, provenance, services);
    co_return true;
}

}  // namespace aptward::archive
