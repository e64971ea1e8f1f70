// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// `GET /api/v1/proof`: what the node holds as proof of a file. Read-only.

#include <memory>

#include "archive/front.h"

namespace aptward::console {

/// The query: sha256=HEX and sha512=HEX of the file, name=FILE NAME (may repeat), release=ID when
/// it is a release, archive=ID to ask about one archive only; 400 without a digest.
/// Answers with catalog::to_json(Proof). Any loop; the walk over the tables is a worker's.
http::Async<void> answer_proof(http::Exchange& exchange, archive::Services& services,
                               std::shared_ptr<const archive::Routes> routes);

}  // namespace aptward::console
