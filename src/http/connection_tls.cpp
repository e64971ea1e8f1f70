// SPDX-License-Identifier: GPL-3.0-or-later
// A connection over TLS: the same promises as connection.cpp keeps over plain sockets.
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "http/connection.h"

namespace aptward::http {
namespace {

constexpr std::size_t kFirstChunk = 2 * 1024;   // nearly every request
constexpr std::size_t kReadChunk = 16 * 1024;   // one record
constexpr std::size_t kFileBuffer = 64 * 1024;  // four records a read
constexpr std::size_t kKernelSlice = 2 << 20;

}  // namespace

Async<bool> Connection::wait_for(TlsSession::Wait wait)
{
    if (wait == TlsSession::Wait::readable) {
        co_return co_await wait_readable();
    }
    if (wait == TlsSession::Wait::writable) {
        co_return co_await wait_writable();
    }
    co_return false;
}

Async<bool> Connection::open_door()
{
    const auto admission = door_->load();
    if (!admission->tls)
        co_return true;
    extend(limits_.head);
    tls_ = std::make_unique<TlsSession>(admission->tls, socket_.native_handle());
    for (;;) {
        const TlsSession::Wait wait = tls_->handshake();
        if (wait == TlsSession::Wait::nothing)
            break;
        const bool is_ready = co_await wait_for(wait);
        if (!is_ready) {
            const std::string why =
                tls_->failure().empty() ? "the client left or was too slow" : tls_->failure();
            log_debug("tls.failed", {{"client", principal_.address}}, why);
            co_return false;
        }
    }
    if (admission->authentication == Authentication::mtls) {
        principal_.name = tls_->client_name().value_or("");
        principal_.recognised_by = Authentication::mtls;
    }
    co_return true;
}

Async<bool> Connection::read_tls(std::string& to, std::size_t at_most)
{
    const std::size_t have = to.size();
    if (have == 0 && !tls_->has_pending()) {
        // Between requests there is nothing to read yet: an attempt would be a call for nothing.
        std::string().swap(to);  // an idle connection costs no buffer
        const bool is_ready = co_await wait_readable();
        if (!is_ready)
            co_return false;
    }
    const std::size_t room = std::min(at_most, have == 0 ? kFirstChunk : kReadChunk);
    for (;;) {
        if (is_closed_)
            co_return false;
        to.resize(have + room);
        const TlsSession::Step step = tls_->read(to.data() + have, to.size() - have);
        to.resize(have + step.bytes);
        if (step.bytes > 0)
            co_return true;
        const bool is_ready = co_await wait_for(step.wait);
        if (!is_ready)
            co_return false;
    }
}

Async<bool> Connection::write_tls(std::string_view bytes, Follows follows)
{
    if (follows == Follows::at_once) {
        held_back_ += bytes;
        written_bytes_ += bytes.size();
        co_return true;
    }
    if (held_back_.empty()) {
        co_return co_await push_tls(bytes, 0);
    }
    std::string joined = std::exchange(held_back_, {});
    const std::size_t counted = joined.size();
    joined += bytes;
    co_return co_await push_tls(joined, counted);
}

Async<bool> Connection::push_tls(std::string_view bytes, std::size_t counted)
{
    while (!bytes.empty()) {
        if (is_closed_)
            co_return false;
        const TlsSession::Step step = tls_->write(bytes);
        if (step.bytes > 0) {
            bytes.remove_prefix(step.bytes);
            const std::size_t known = std::min(counted, step.bytes);
            counted -= known;
            written_bytes_ += step.bytes - known;
            deadline_ = steady_now() + limits_.write_stall;
            continue;
        }
        const bool is_ready = co_await wait_for(step.wait);
        if (!is_ready)
            co_return false;
    }
    co_return true;
}

Async<bool> Connection::write_file_tls(int fd, std::uint64_t first, std::uint64_t count)
{
    if (tls_->has_kernel_encryption()) {
        co_return co_await write_file_by_kernel(fd, first, count);
    }
    const bool is_long_head = held_back_.size() > kReadChunk;
    if (is_long_head) {
        const bool is_head_sent = co_await write_tls("", Follows::nothing);
        if (!is_head_sent)
            co_return false;
    }
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(held_back_.size() + count, kFileBuffer));
    const std::unique_ptr<char[]> buffer(new char[size]);
    while (count > 0) {
        const std::size_t held = held_back_.size();
        const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(count, size - held));
        const ssize_t got = ::pread(fd, buffer.get() + held, room, static_cast<::off_t>(first));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            // A file that is shorter than announced or cannot be read is damage: cut, never pad.
            is_file_unreadable_ = true;
            reset();
            co_return false;
        }
        // The head and the first bytes leave in one record.
        std::copy_n(held_back_.data(), held, buffer.get());
        held_back_.clear();
        first += static_cast<std::uint64_t>(got);
        count -= static_cast<std::uint64_t>(got);
        const std::string_view part(buffer.get(), held + static_cast<std::size_t>(got));
        const bool is_sent = co_await push_tls(part, held);
        if (!is_sent)
            co_return false;
    }
    co_return true;
}

// The kernel encrypts what sendfile gives it.
Async<bool> Connection::write_file_by_kernel(int fd, std::uint64_t first, std::uint64_t count)
{
    const bool is_head_sent = co_await write_tls("", Follows::nothing);
    if (!is_head_sent)
        co_return false;
    while (count > 0) {
        if (is_closed_)
            co_return false;
        const auto slice = static_cast<std::size_t>(std::min<std::uint64_t>(count, kKernelSlice));
        const TlsSession::Step step = tls_->send_file(fd, first, slice);
        if (step.bytes > 0) {
            first += step.bytes;
            count -= step.bytes;
            written_bytes_ += step.bytes;
            deadline_ = steady_now() + limits_.write_stall;
            continue;
        }
        const bool is_ready = co_await wait_for(step.wait);
        if (!is_ready)
            co_return false;
    }
    co_return true;
}

}  // namespace aptward::http
