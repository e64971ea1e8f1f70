// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <utility>

#include "base/check.h"
#include "http/connection.h"

namespace aptward::http {

// The Date header changes once a second; one text per thread serves all answers in it.
std::string_view date_line()
{
    thread_local SystemTime time{};
    thread_local std::string line;
    const SystemTime now = system_now();
    if (now != time) {
        time = now;
        line = "Date: " + format_http_date(now) + "\r\n";
    }
    return line;
}

namespace {

void append_header(std::string& lines, std::string_view name, std::string_view value)
{
    lines.append(name).append(": ");
    // Values may hold what an upstream or a client said: no byte of theirs may end the line (A18).
    for (const char c : value)
        lines += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    lines += "\r\n";
}

}  // namespace

std::string head_of(const Answer& answer, std::optional<std::uint64_t> content_length)
{
    std::string text;
    text.reserve(256 + answer.header_lines.size());
    text += "HTTP/1.1 ";
    text += fmt::format_int(answer.status).str();
    text += ' ';
    text += answer.reason.empty() ? reason_phrase(answer.status) : answer.reason;
    text += "\r\n";
    text += answer.header_lines;
    if (content_length) {
        text += "Content-Length: ";
        text += fmt::format_int(*content_length).str();
        text += "\r\n";
    }
    return text;
}

Answer& Answer::header(std::string_view name, std::string_view value)
{
    append_header(header_lines, name, value);
    return *this;
}

void Exchange::add_header(std::string_view name, std::string_view value)
{
    append_header(added_lines_, name, value);
}

bool Exchange::is_file_unreadable() const
{
    return connection_.is_file_unreadable();
}

std::string Exchange::render(const Answer& answer, std::optional<std::uint64_t> content_length)
{
    CHECK(!has_answered_, "one answer for one request");
    has_answered_ = true;
    status_ = answer.status;
    if (answer.close)
        connection_.must_close() = true;
    std::string text = head_of(answer, content_length);
    text += added_lines_;
    text += date_line();
    if (connection_.must_close())
        text += "Connection: close\r\n";
    else if (connection_.is_http_10())
        text += "Connection: keep-alive\r\n";
    text += "\r\n";
    return text;
}

Async<bool> Exchange::send(Answer answer, std::string_view body)
{
    const bool has_body = head_.method != "HEAD" && answer.status != 304 && answer.status != 204;
    std::optional<std::uint64_t> length;
    if (answer.status != 304)
        length = body.size();
    const std::string text = render(answer, length);
    if (!has_body)
        body = {};
    const std::uint64_t body_from = connection_.written_bytes() + text.size();
    const bool is_sent = co_await connection_.write_both(text, body);
    sent_bytes_ += std::max(connection_.written_bytes(), body_from) - body_from;
    co_return is_sent;
}

Async<bool> Exchange::send_interim(std::string header_lines)
{
    CHECK(!has_answered_, "a sign comes before the answer");
    if (connection_.is_http_10())
        co_return true;
    const std::string text = "HTTP/1.1 102 Processing\r\n" + header_lines + "\r\n";
    co_return co_await connection_.write(text, Follows::nothing);
}

Async<bool> Exchange::begin(Answer answer, std::uint64_t count)
{
    const std::string text = render(answer, count);
    const bool has_body = count > 0 && head_.method != "HEAD";
    const Follows follows = has_body ? Follows::later : Follows::nothing;
    co_return co_await connection_.write(text, follows);
}

Async<bool> Exchange::begin_stream(Answer answer)
{
    is_muted_ = head_.method == "HEAD";
    is_chunked_ = head_.minor_version > 0;
    if (is_chunked_)
        answer.header("Transfer-Encoding", "chunked");
    else
        answer.close = true;
    const std::string text = render(answer, std::nullopt);
    has_open_stream_ = !is_muted_;
    co_return co_await connection_.write(text, Follows::nothing);
}

Async<bool> Exchange::end_stream()
{
    if (!std::exchange(has_open_stream_, false) || !is_chunked_)
        co_return true;
    co_return co_await connection_.write("0\r\n\r\n", Follows::nothing);
}

Async<bool> Exchange::send_part(int fd, std::uint64_t first, std::uint64_t count)
{
    const std::uint64_t before = connection_.written_bytes();
    const bool is_sent = co_await connection_.write_file(fd, first, count);
    sent_bytes_ += connection_.written_bytes() - before;
    co_return is_sent;
}

Async<bool> Exchange::send_bytes(std::string_view bytes)
{
    if (is_muted_ || bytes.empty())
        co_return true;
    const std::uint64_t before = connection_.written_bytes();
    std::string chunk;
    if (is_chunked_)
        chunk = fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
    const std::string_view text = is_chunked_ ? std::string_view(chunk) : bytes;
    const bool is_sent = co_await connection_.write(text, Follows::nothing);
    sent_bytes_ += connection_.written_bytes() - before;
    co_return is_sent;
}

Async<bool> Exchange::send_file(Answer answer, int fd, std::uint64_t first, std::uint64_t count)
{
    const std::string text = render(answer, count);
    const bool has_body = count > 0 && head_.method != "HEAD";
    const Follows follows = has_body ? Follows::at_once : Follows::nothing;
    const bool is_begun = co_await connection_.write(text, follows);
    if (!is_begun || !has_body)
        co_return is_begun;
    const bool is_sent = co_await send_part(fd, first, count);
    if (!is_sent)
        abort();
    co_return is_sent;
}

void Exchange::abort()
{
    has_answered_ = true;
    connection_.reset();
}

}  // namespace aptward::http
