// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Of which archives here the releases of a bundle are. Private to archive/.
//
// An id that an operator has written says it. One that was made up from apt's sources says nothing:
// then an archive is meant whose sources name the suite and whose keys accept the release.

#include <memory>
#include <vector>

#include "archive/handed_in.h"
#include "bundle/bundle.h"

namespace aptward::archive {

/// One release of a bundle on its way.
struct Incoming : HandedIn {
    bundle::BundledRelease release;
};

/// Every release with each archive that it may be of, those of public archives first. A suite that
/// the sources of a machine do not name is left out, when others of its archive are.
/// Fails with not_found when none of the releases of an archive of the bundle has a place. Any
/// thread.
Result<std::vector<Incoming>> find_places(const std::vector<bundle::BundledRelease>& releases,
                                          const std::vector<std::shared_ptr<Archive>>& archives);

/// Leaves each release one place where its archive's policy accepts it, once all were assessed;
/// where none does, all that refuse it. Fails with untrusted when two archives accept it and
/// nothing tells which is meant, malformed as reading a release does. Pure.
Result<void> settle_places(std::vector<Incoming>& incoming);

}  // namespace aptward::archive
