// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// What was requested of a release, as the release after it has it: whoever keeps a package up to
// date will want its next version. Private to stock/.

#include <vector>

#include "archive/archive.h"
#include "stock/closure.h"

namespace aptward::stock {

/// Of each package of which a file of `before` is held, the newest file in `next`. Those that are
/// held already are told as well. Reads the indexes that both have: a job of a worker.
/// Fails with malformed, storage.
Result<std::vector<Needed>> find_successors(const store::Blobs& blobs,
                                            const store::PrivateMarks& private_marks,
                                            const std::string& archive, const std::string& suite,
                                            const catalog::Generation& before,
                                            const catalog::Generation& next);

}  // namespace aptward::stock
