// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// How every fallible function in this program reports failure.
//
// An Errc says what the caller can DO about a failure, not where it happened; the message, with
// the place each layer adds, says where. Bugs are not errors: they stop the program (check.h).
// Exceptions unwind only for cancellation and exhausted memory; no module throws otherwise.

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace aptward {

enum class Errc {
    malformed,    ///< The bytes break their format. The same bytes never work.
    untrusted,    ///< Signature, digest or policy does not hold. Blame the source.
    stale,        ///< Genuine, but expired or older than what we already hold.
    not_found,    ///< The source answered, and does not have it.
    unavailable,  ///< The source did not answer in time. Another one may.
    storage,      ///< Our own disk or database failed. No source is to blame.
};

/// The stable name of a code, as printed in logs and answers: "untrusted".
std::string_view to_string(Errc code);

class [[nodiscard]] Error {
public:
    Error(Errc code, std::string message) : code_(code), message_(std::move(message)) {}

    Errc code() const noexcept { return code_; }
    const std::string& message() const noexcept { return message_; }
    /// Of storage: the disk, or a quota on it, has no room left. Else whatever made it fail.
    bool is_no_room() const noexcept { return is_no_room_; }

    /// Puts what the caller was doing in front: "reading X: <message>".
    Error within(std::string_view doing) &&
    {
        message_.insert(0, ": ").insert(0, doing);
        return std::move(*this);
    }

private:
    friend tl::unexpected<Error> fail_errno(std::string_view doing, int errno_value);

    Errc code_;
    std::string message_;
    bool is_no_room_ = false;
};

/// Fails with `storage`, naming what was done and the system's word for `errno_value`.
tl::unexpected<Error> fail_errno(std::string_view doing, int errno_value);

template <class T>
using Result = tl::expected<T, Error>;  // becomes std::expected with C++23

inline tl::unexpected<Error> fail(Errc code, std::string message)
{
    return tl::unexpected<Error>(Error(code, std::move(message)));
}

}  // namespace aptward

// Takes the value out of a Result, or hands its Error to our caller.
//   TRY(auto release, parse_release(text));          in a function
//   CO_TRY(auto blob, co_await store.read(id));      in a coroutine
// TRY_VOID is for Result<void>.
#define APTWARD_CAT_(a, b) a##b
#define APTWARD_CAT(a, b) APTWARD_CAT_(a, b)
#define APTWARD_TRY_(leave, tmp, decl, ...)                             \
    auto tmp = __VA_ARGS__;                                             \
    if (!tmp)                                                           \
        leave tl::unexpected<::aptward::Error>(std::move(tmp).error()); \
    decl = *std::move(tmp)
#define TRY(decl, ...) APTWARD_TRY_(return, APTWARD_CAT(try_, __LINE__), decl, __VA_ARGS__)
#define CO_TRY(decl, ...) APTWARD_TRY_(co_return, APTWARD_CAT(try_, __LINE__), decl, __VA_ARGS__)
#define TRY_VOID(...)                                                               \
    do {                                                                            \
        auto try_result = __VA_ARGS__;                                              \
        if (!try_result)                                                            \
            return tl::unexpected<::aptward::Error>(std::move(try_result).error()); \
    } while (false)
