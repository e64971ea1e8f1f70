// SPDX-License-Identifier: GPL-3.0-or-later
#include "archive/send.h"

namespace aptward::archive {
namespace {

using fetch::Stream;
using std::chrono::milliseconds;

// apt gives up after 30 s without a byte; a clear error comes before.
constexpr milliseconds kFirstByte{9000};
constexpr milliseconds kNextByte{25'000};
// Without an announced length the end of the body is only known when it is there.
constexpr milliseconds kWholeWithoutLength{25'000};

bool can_begin(const Stream& stream)
{
    const auto phase = stream.phase();
    return phase == Stream::Phase::complete || phase == Stream::Phase::failed ||
           (phase == Stream::Phase::running && stream.size().has_value());
}

http::Async<void> refuse(http::Exchange& exchange, const Stream& stream, Counters& counters)
{
    const auto error = stream.error();
    const bool is_absent = error && error->code() == Errc::not_found;
    const int status = is_absent ? 404 : 503;
    const std::string code = is_absent ? "auxiliary.absent" : "auxiliary.unavailable";
    const std::string message =
        error ? error->message() : std::string("no source has delivered this file in time");
    co_await send_refusal(exchange, status, code, message, counters);
}

}  // namespace

http::Async<void> send_unproven(http::Exchange& exchange, std::shared_ptr<Stream> stream,
                                std::string proof, Counters& counters)
{
    auto signal = co_await http::make_signal();
    stream->follow(signal);
    const SteadyTime begun = steady_now();
    while (!can_begin(*stream)) {
        const bool is_running = stream->phase() == Stream::Phase::running;
        const SteadyTime deadline = begun + (is_running ? kWholeWithoutLength : kFirstByte);
        const bool is_in_time = co_await signal->wait_until(deadline);
        if (!is_in_time && !can_begin(*stream) && steady_now() >= deadline)
            break;
    }
    if (stream->phase() == Stream::Phase::failed || !can_begin(*stream)) {
        co_await refuse(exchange, *stream, counters);
        co_return;
    }
    const std::uint64_t size = stream->size().value_or(stream->available());
    ++counters.unproven;
    http::Answer answer(200);
    if (const auto modified = stream->modified())
        answer.header("Last-Modified", http::format_http_date(*modified));
    answer.header("Aptward-Proof", proof);
    answer.header("Cache-Status", "aptward; fwd=bypass");
    const bool is_begun = co_await exchange.begin(std::move(answer), size);
    if (!is_begun || exchange.head().method == "HEAD")
        co_return;
    const auto file = stream->file();
    std::uint64_t sent_to = 0;
    while (sent_to < size) {
        const std::uint64_t available = stream->available();
        if (sent_to < available) {
            const std::uint64_t count = available - sent_to;
            const bool is_sent = co_await exchange.send_part(file->get(), sent_to, count);
            if (!is_sent)
                co_return;
            sent_to += count;
            counters.sent_bytes += count;
            continue;
        }
        bool is_alive = !stream->is_over();
        if (is_alive) {
            is_alive = co_await signal->wait_until(steady_now() + kNextByte);
        }
        if (!is_alive && stream->available() == sent_to) {
            ++counters.cut;
            exchange.abort();  // what came so far must not look whole
            co_return;
        }
    }
}

}  // namespace aptward::archive
