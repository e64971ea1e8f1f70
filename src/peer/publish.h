// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Publishing files as a torrent, as a job: they are read and hashed once, and not copied.
// docs/decisions/0034-torrents.md.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/archive.h"
#include "archive/jobs.h"
#include "peer/torrents.h"

namespace aptward::peer {

inline constexpr const char* kPublish = "publish";

struct PublishRequest {
    std::string archive;
    std::string path;   ///< One file that an index lists; or
    std::string suite;  ///< all that is held of this suite's current release, the largest first.
    bool operator==(const PublishRequest&) const = default;
};
/// The JSON that starts one, as POST /api/v1/jobs takes it; inverses.
/// Fails with malformed, saying what is wanted.
Result<PublishRequest> parse_publish_request(std::string_view json);
std::string to_json(const PublishRequest& request);

/// All outlive the jobs. `published` is called when others may be told.
archive::Jobs::Kind make_publish(archive::Services& services, archive::FindArchive find_archive,
                                 Torrents& torrents, std::function<void()> published);

}  // namespace aptward::peer
