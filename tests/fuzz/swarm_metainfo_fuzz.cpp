// SPDX-License-Identifier: GPL-3.0-or-later
// Torrents of strangers, and magnet links, by the first byte. What is read is written as it came.
#include "base/check.h"
#include "input.h"
#include "swarm/metainfo.h"

using namespace aptward;

namespace {

void check_torrent(std::string_view text)
{
    const auto metainfo = swarm::parse_torrent(text);
    if (!metainfo)
        return;
    CHECK(to_torrent(*metainfo) == text, "there is one spelling");
    CHECK(!metainfo->files.empty() && metainfo->files.size() <= swarm::kMostTorrentFiles,
          "bounded");
    for (const swarm::SharedFile& file : metainfo->files)
        CHECK(file.digest.hex().size() == 64 && file.digest.size_bytes > 0, "named by a digest");
}

void check_magnet(std::string_view text)
{
    const auto hash = swarm::parse_magnet(text);
    CHECK(!hash || (hash->size() == 64 && text.find(*hash) != std::string_view::npos), "of it");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    return fuzz::choose(bytes, size, check_torrent, check_magnet);
}
