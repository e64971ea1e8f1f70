// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Decoding the chunked coding of a body, strictly: what two parsers could read
// differently is refused, as in request heads. Pure.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace aptward::http {

inline constexpr std::size_t kMaxChunkLineBytes = 256;     ///< Size and extensions; guess.
inline constexpr std::size_t kMaxTrailerBytes = 4 * 1024;  ///< All trailer lines together.

/// One body. Feed it what arrives; it never reads past the body's end.
class ChunkedDecoder {
public:
    /// Blanks behind the size of a chunk, which no rule allows and some old servers send.
    enum class Padding { refused, taken };
    explicit ChunkedDecoder(Padding padding = Padding::refused) : padding_(padding) {}

    /// Takes bytes from the front of `input` (which shrinks by them) and appends at most `at_most`
    /// bytes of the body to `out`. Returns when `input` is used up, `at_most` is reached or the
    /// body is over. Fails with malformed for: a size that is not 1 to 15 hexadecimal digits, a
    /// malformed or over-long extension, any line that does not end in CR LF, anything but CR LF
    /// behind a chunk, malformed or over-long trailers. After a failure only is_over() is useful.
    /// Spec: RFC 9112 7.1. Extensions and trailers are checked and dropped.
    Result<void> decode(std::string_view& input, std::string& out, std::size_t at_most);

    /// The last chunk and the trailers came.
    bool is_over() const { return state_ == State::over; }

private:
    enum class State { size_line, bytes, after_bytes, trailer, over };
    /// Moves bytes of one line into line_; true when it is whole (without its CR LF).
    Result<bool> take_line(std::string_view& input, std::size_t limit);
    Result<void> read_size_line();
    Result<void> read_trailer();

    Padding padding_;
    State state_ = State::size_line;
    std::string line_;
    std::uint64_t left_ = 0;  ///< Of the present chunk.
    std::size_t trailer_bytes_ = 0;
};

}  // namespace aptward::http
