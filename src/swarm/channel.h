// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Messages over a socket between two processes: four bytes of length, the highest first, then the
// text. Either end may be hostile.

#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace aptward::swarm {

inline constexpr std::size_t kMostMessageBytes = 64 * 1024;
/// That wait to be written: an end that does not read is given up.
inline constexpr std::size_t kMostWaitingBytes = std::size_t{4} << 20;

/// Bytes as they come, messages as they were. Pure.
class Frames {
public:
    void add(std::string_view bytes);
    /// The next whole message; nothing until it is there. Fails with malformed for a length of 0 or
    /// above kMostMessageBytes: then no message after it is to be had.
    Result<std::optional<std::string>> next();

    static std::string frame(std::string_view message);

private:
    std::string bytes_;
    std::size_t taken_ = 0;
};

/// One end of the socket, which does not block. One thread.
class Channel {
public:
    explicit Channel(Fd socket) : socket_(std::move(socket)) {}
    int fd() const { return socket_.get(); }

    /// Takes what has come. Fails with unavailable when the other end is gone.
    Result<void> receive();
    /// As Frames::next().
    Result<std::optional<std::string>> next() { return frames_.next(); }

    /// Fails with unavailable when the other end is gone or reads nothing.
    Result<void> send(std::string_view message);
    /// Writes what waits and fits.
    Result<void> flush();
    bool has_waiting() const { return !waiting_.empty(); }

private:
    Fd socket_;
    Frames frames_;
    std::string waiting_;
};

}  // namespace aptward::swarm
