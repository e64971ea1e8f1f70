// SPDX-License-Identifier: GPL-3.0-or-later
#include "http/chunked.h"

#include <algorithm>

#include "base/text.h"

namespace aptward::http {
namespace {

constexpr std::size_t kMaxSizeDigits = 15;  // below 2^60: no overflow

bool is_token_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

bool is_text_byte(char c)
{
    return (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\t';
}

int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

tl::unexpected<Error> refuse(std::string message)
{
    return fail(Errc::malformed, "chunked body: " + std::move(message));
}

// Steps over the parts of a line.
class Cursor {
public:
    explicit Cursor(std::string_view text) : rest_(text) {}
    bool is_at_end() const { return rest_.empty(); }
    void skip_blanks()
    {
        skip([](char c) { return c == ' ' || c == '\t'; });
    }
    bool skip_byte(char c)
    {
        if (rest_.empty() || rest_.front() != c)
            return false;
        rest_.remove_prefix(1);
        return true;
    }
    bool skip_token() { return skip(is_token_byte) > 0; }
    // quoted-string of RFC 9110 5.6.4.
    bool skip_quoted()
    {
        if (!skip_byte('"'))
            return false;
        while (!rest_.empty() && rest_.front() != '"') {
            if (rest_.front() == '\\')
                rest_.remove_prefix(1);
            if (rest_.empty() || !is_text_byte(rest_.front()))
                return false;
            rest_.remove_prefix(1);
        }
        return skip_byte('"');
    }

private:
    template <class Fits>
    std::size_t skip(Fits fits)
    {
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), fits);
        const auto count = static_cast<std::size_t>(end - rest_.begin());
        rest_.remove_prefix(count);
        return count;
    }
    std::string_view rest_;
};

// chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
bool are_extensions(std::string_view text)
{
    Cursor cursor(text);
    while (!cursor.is_at_end()) {
        cursor.skip_blanks();
        if (!cursor.skip_byte(';'))
            return false;
        cursor.skip_blanks();
        if (!cursor.skip_token())
            return false;
        Cursor after_blanks = cursor;
        after_blanks.skip_blanks();
        if (!after_blanks.skip_byte('='))
            continue;
        cursor = after_blanks;
        cursor.skip_blanks();
        if (!cursor.skip_token() && !cursor.skip_quoted())
            return false;
    }
    return true;
}

}  // namespace

Result<bool> ChunkedDecoder::take_line(std::string_view& input, std::size_t limit)
{
    const std::size_t end = input.find('\n');
    const std::size_t taken = end == std::string_view::npos ? input.size() : end + 1;
    if (line_.size() + taken > limit + 2)
        return refuse("a line is too long");
    line_.append(input.substr(0, taken));
    input.remove_prefix(taken);
    if (end == std::string_view::npos)
        return false;
    if (!line_.ends_with("\r\n"))
        return refuse("a line ends in a bare LF");
    line_.resize(line_.size() - 2);
    if (!std::all_of(line_.begin(), line_.end(), is_text_byte))
        return refuse("a control byte in a line");
    return true;
}

Result<void> ChunkedDecoder::read_size_line()
{
    std::size_t digits = 0;
    left_ = 0;
    if (padding_ == Padding::taken)
        line_.erase(line_.find_last_not_of(" \t") + 1);
    for (; digits < line_.size() && hex_value(line_[digits]) >= 0; ++digits) {
        if (digits == kMaxSizeDigits)
            return refuse("the size of a chunk is too large");
        left_ = left_ * 16 + static_cast<std::uint64_t>(hex_value(line_[digits]));
    }
    if (digits == 0)
        return refuse("a chunk begins with no size: " + printable(line_));
    if (!are_extensions(std::string_view(line_).substr(digits)))
        return refuse("malformed chunk extension: " + printable(line_));
    line_.clear();
    state_ = left_ == 0 ? State::trailer : State::bytes;
    return {};
}

Result<void> ChunkedDecoder::read_trailer()
{
    if (line_.empty()) {
        state_ = State::over;
        return {};
    }
    trailer_bytes_ += line_.size() + 2;
    const std::string_view name = std::string_view(line_).substr(0, line_.find(':'));
    if (name.empty() || name.size() == line_.size() ||
        !std::all_of(name.begin(), name.end(), is_token_byte))
        return refuse("malformed trailer: " + printable(line_));
    line_.clear();
    return {};
}

Result<void> ChunkedDecoder::decode(std::string_view& input, std::string& out, std::size_t at_most)
{
    while (!input.empty() && at_most > 0 && state_ != State::over) {
        if (state_ == State::bytes) {
            const auto count =
                static_cast<std::size_t>(std::min<std::uint64_t>({left_, at_most, input.size()}));
            out.append(input.substr(0, count));
            input.remove_prefix(count);
            at_most -= count;
            left_ -= count;
            if (left_ == 0)
                state_ = State::after_bytes;
            continue;
        }
        const std::size_t limit =
            state_ == State::size_line ? kMaxChunkLineBytes
            : state_ == State::after_bytes
                ? 0
                : kMaxTrailerBytes - std::min(trailer_bytes_, kMaxTrailerBytes);
        TRY(const bool is_whole, take_line(input, limit));
        if (!is_whole)
            break;
        if (state_ == State::size_line)
            TRY_VOID(read_size_line());
        else if (state_ == State::trailer)
            TRY_VOID(read_trailer());
        else
            state_ = State::size_line;
    }
    return {};
}

}  // namespace aptward::http
