// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Who fetches what clients will want of a release. stock/ does; archive/ only knows when.

#include <memory>
#include <string>

#include "archive/archive.h"

namespace aptward::archive {

/// Whether releases of this suite may wait for nothing: security updates, by any of the names that
/// tell ("bookworm-security", "http://security.debian.org/ buster/updates").
bool is_security(const ArchiveSettings& settings, const std::string& suite);

/// All on the control loop.
class Prefetcher {
public:
    virtual ~Prefetcher() = default;

    /// Whether a release is shown only after fetch() is over.
    virtual bool has_patience() const = 0;
    /// Fetches what clients of the archive will want when `next` is shown: true when all of it is
    /// held, false when its limits came first. It ends early when `next` is not going to be shown.
    virtual http::Async<bool> fetch(std::shared_ptr<Archive> archive, std::string suite,
                                    catalog::GenerationPtr next) = 0;
    /// One was shown without that, or before it was whole.
    virtual void note_shown(const std::string& archive, const std::string& suite) = 0;
};

}  // namespace aptward::archive
