// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What an answer of the service says of the service. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace aptward::s3 {

enum class Health {
    untried,
    good,
    unreachable,  ///< No answer, one of 5xx, or one that no S3 service gives.
    denied,       ///< The credentials do not count, or not for this.
    no_bucket,    ///< There is no such bucket.
    full,         ///< It takes nothing more.
};
/// "untried", "good", "unreachable", "denied", "no-bucket", "full": an event is "s3." and that.
std::string_view to_string(Health health);

/// What came of one request.
struct Answer {
    int status = 0;                      ///< 0: none came.
    std::optional<std::uint64_t> size;   ///< Content-Length.
    std::optional<SystemTime> modified;  ///< Last-Modified: by the service's clock.
    std::string etag;                    ///< As it is sent; cut at 256 bytes.
    std::string body;
    std::string failure;  ///< Why nothing came, or not all of it.

    bool is_good() const { return failure.empty() && status >= 200 && status < 300; }
    /// Of an object: there is none. A bucket that is missing has to be found out by a get.
    bool is_absent() const { return failure.empty() && status == 404; }
};

struct Finding {
    Health health = Health::good;
    std::string why;  ///< One sentence, where it is not good.
};

/// An object that is missing is no fault of the service.
Finding look_at(const Answer& answer);

/// The same of the answer to a put, for which something has to be there to take it.
Finding look_at_put(const Answer& answer);

/// Whether it says that the keys may not do this, and not that they do not count at all.
bool is_not_allowed(const Answer& answer);

/// Whether the service says that the bytes were not those that the request promised: then they are
/// damaged here, or on the way.
bool are_bytes_refused(const Answer& answer);

}  // namespace aptward::s3
