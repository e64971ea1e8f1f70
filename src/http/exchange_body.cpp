// SPDX-License-Identifier: GPL-3.0-or-later
// Request bodies, bit by bit. They are never put into the connection's buffer: the head's views
// point into it.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "http/chunked.h"
#include "http/connection.h"

namespace aptward::http {
namespace {

constexpr std::size_t kReadChunk = 16 * 1024;

}  // namespace

/// How far the reading of one body is.
struct RequestBody {
    std::size_t taken = 0;    ///< Of what came in the connection's buffer behind the head.
    std::uint64_t total = 0;  ///< Body bytes given out.
    std::string raw;          ///< Chunked: received, not yet decoded.
    ChunkedDecoder decoder;
};

Exchange::Exchange(Connection& connection, const RequestHead& head, const Target& target,
                   const Principal& principal)
    : connection_(connection), head_(head), target_(target), principal_(principal)
{
}

Exchange::~Exchange() = default;

Async<bool> Exchange::receive(std::string& to, std::size_t at_most)
{
    const std::string_view buffered =
        std::string_view(connection_.buffer()).substr(head_.head_bytes + body_->taken);
    if (!buffered.empty()) {
        const std::string_view part = buffered.substr(0, at_most);
        to.append(part);
        body_->taken += part.size();
        co_return true;
    }
    connection_.extend(connection_.limits().head);
    const bool has_more = co_await connection_.read_more(to, at_most);
    connection_.extend(connection_.limits().write_stall);
    co_return has_more;
}

Task<std::string> Exchange::read_sized(std::size_t at_most)
{
    std::string part;
    const std::uint64_t left = head_.body_bytes.value_or(0) - body_->total;
    if (left == 0)
        co_return part;
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(at_most, left));
    const bool has_more = co_await receive(part, wanted);
    if (!has_more)
        co_return fail(Errc::unavailable, "the client stopped sending");
    co_return part;
}

Task<std::string> Exchange::read_chunked(std::size_t at_most)
{
    std::string part;
    for (;;) {
        std::string_view input = body_->raw;
        const auto decoded = body_->decoder.decode(input, part, at_most);
        body_->raw.erase(0, body_->raw.size() - input.size());
        if (!decoded)
            co_return tl::unexpected<Error>(decoded.error());
        if (!part.empty() || body_->decoder.is_over())
            co_return part;
        const bool has_more = co_await receive(body_->raw, kReadChunk);
        if (!has_more)
            co_return fail(Errc::unavailable, "the client stopped sending");
    }
}

Task<std::string> Exchange::read_some(std::size_t at_most)
{
    const auto too_large = [this] {
        return fail(Errc::malformed, fmt::format("the body is larger than {} bytes", body_limit_));
    };
    if (head_.body_bytes.value_or(0) > body_limit_)
        co_return too_large();
    if (!body_) {
        body_ = std::make_unique<RequestBody>();
        const bool is_awaited =
            head_.minor_version > 0 && connection_.buffer().size() == head_.head_bytes &&
            equals_ignoring_case(head_.header("Expect").value_or(""), "100-continue");
        if (is_awaited) {
            co_await connection_.write("HTTP/1.1 100 Continue\r\n\r\n", Follows::nothing);
        }
    }
    Result<std::string> part = std::string();
    if (head_.is_chunked) {
        part = co_await read_chunked(at_most);
    } else {
        part = co_await read_sized(at_most);
    }
    if (!part)
        co_return part;
    body_->total += part->size();
    if (body_->total > body_limit_)
        co_return too_large();
    co_return part;
}

Task<std::string> Exchange::read_body(std::size_t limit_bytes)
{
    limit_body(std::min<std::uint64_t>(body_limit_, limit_bytes));
    std::string body;
    for (;;) {
        auto part = co_await read_some(kReadChunk);
        if (!part || part->empty())
            co_return part ? Result<std::string>(std::move(body)) : part;
        body += *part;
    }
}

}  // namespace aptward::http
