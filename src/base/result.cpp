// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/result.h"

#include <cerrno>
#include <system_error>

namespace aptward {

std::string_view to_string(Errc code)
{
    switch (code) {
        case Errc::malformed:
            return "malformed";
        case Errc::untrusted:
            return "untrusted";
        case Errc::stale:
            return "stale";
        case Errc::not_found:
            return "not-found";
        case Errc::unavailable:
            return "unavailable";
        case Errc::storage:
            return "storage";
    }
    return "unknown";
}

tl::unexpected<Error> fail_errno(std::string_view doing, int errno_value)
{
    std::string message(doing);
    message += ": ";
    message += std::generic_category().message(errno_value);
    Error error(Errc::storage, std::move(message));
    error.is_no_room_ = errno_value == ENOSPC || errno_value == EDQUOT;
    return tl::unexpected<Error>(std::move(error));
}

}  // namespace aptward
