// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Which files a bundle is to have: those that apt would fetch, as its own solver says. Private to
// cli/.

#include <string>
#include <vector>

#include "base/result.h"
#include "bundle/bundle.h"
#include "crypto/crypto.h"
#include "node/config.h"

namespace aptward::cli {

/// What the machines have and would upgrade to, and what the stock's lists want: the running node
/// knows which of its archives their sources mean.
/// Fails with not_found for a machine or list that it does not know; unavailable.
Result<bundle::Request> wishes_of_machines(const node::Config& config,
                                           const std::vector<std::string>& machines,
                                           const std::vector<std::string>& lists);

/// Where packages are looked for.
struct Shelves {
    const catalog::Held& held;
    const store::Blobs& blobs;
    const store::PrivateMarks& marks;
    crypto::Spawner& spawner;
};

/// Puts the packages of the request's first part into it, with what they need on a machine where
/// nothing is installed: for each architecture of which there are indexes.
/// Fails with not_found when there are none, or no such archive or suite; as stock::look_at.
Result<void> add_wishes(const Shelves& shelves, const std::vector<std::string>& packages,
                        bool has_recommends, bundle::Request& request);

}  // namespace aptward::cli
