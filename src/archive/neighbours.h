// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Other nodes that may hold what is wanted, and want what is held. peer/ knows them; archive/ only
// says what it is called.

#include <string_view>

#include "fetch/fetch.h"
#include "http/server.h"

namespace aptward::archive {

/// What nodes ask each other begins so.
inline constexpr std::string_view kNeighbourPaths = "/.well-known/aptward/";

/// Any thread.
class Neighbours {
public:
    virtual ~Neighbours() = default;

    /// Adds those who may have a file that a release lists under this path
    /// ("main/binary-amd64/Packages.xz").
    virtual void add_index(fetch::Want& want, std::string_view path) const = 0;
    /// The same for a file that an index lists under this path.
    virtual void add_pool(fetch::Want& want, std::string_view path) const = 0;

    /// Answers what one of them asks, of whoever may fetch here. Any loop.
    virtual http::Async<void> answer(http::Exchange& exchange) = 0;
};

}  // namespace aptward::archive
