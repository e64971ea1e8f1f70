// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// Which releases this node gives, as the note that others read. Private to peer/.

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "archive/archive.h"
#include "peer/messages.h"

namespace aptward::peer {

/// What these archives give, the newest first, as much as a note has room for. Any thread.
std::vector<Head> heads_of(const std::vector<std::shared_ptr<archive::Archive>>& archives);

/// Any thread.
class OwnHeads {
public:
    struct Announced {
        std::string note;
        std::string etag;
    };

    OwnHeads(tlog::SignerKey key, std::string run) : key_(std::move(key)), run_(std::move(run)) {}

    /// As the archives are now; signed anew only when that is something else than before.
    /// `have`: the number of what is held. `torrents`: the info hashes of what is published.
    std::shared_ptr<const Announced> now(
        const std::vector<std::shared_ptr<archive::Archive>>& archives, std::uint64_t have,
        std::vector<std::string> torrents);

private:
    const tlog::SignerKey key_;
    const std::string run_;
    std::mutex mutex_;  // held while a note is signed: rare, and short
    std::uint64_t number_ = 0;
    std::vector<Head> heads_;
    std::uint64_t have_ = 0;
    std::vector<std::string> torrents_;
    std::shared_ptr<const Announced> announced_;
};

}  // namespace aptward::peer
