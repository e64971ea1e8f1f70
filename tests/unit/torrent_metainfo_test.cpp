// SPDX-License-Identifier: GPL-3.0-or-later
// libtorrent's word on the torrents that the node makes without it.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <libtorrent/create_torrent.hpp>
#include <libtorrent/load_torrent.hpp>
#include <libtorrent/torrent_info.hpp>

#include "crypto/crypto.h"
#include "swarm/metainfo.h"
#include "temporary_folder.h"

namespace aptward::torrent {
namespace {

// Files of such sizes, by name in their folder.
class TorrentMetainfo : public testing::Test {
protected:
    swarm::Metainfo make(const std::vector<std::size_t>& sizes)
    {
        const bool is_single = sizes.size() == 1;
        const auto inside = is_single ? folder_.path() : folder_.path() / swarm::kTorrentFolder;
        std::filesystem::create_directories(inside);
        std::uint64_t total = 0;
        for (const std::size_t size : sizes)
            total += size;
        swarm::Metainfo metainfo;
        for (const std::size_t size : sizes) {
            std::string bytes(size, static_cast<char>('a' + metainfo.files.size()));
            for (std::size_t i = 0; i < size; i += 1000)
                bytes[i] = static_cast<char>(i / 1000);
            swarm::PieceHasher hasher(swarm::piece_bytes_for(total));
            hasher.update(bytes);
            auto file = std::move(hasher).finish(crypto::digest_of(bytes));
            std::ofstream(inside / file.digest.hex()) << bytes;
            metainfo.files.push_back(std::move(file));
        }
        std::sort(metainfo.files.begin(), metainfo.files.end(),
                  [](const auto& a, const auto& b) { return a.digest.hash < b.digest.hash; });
        return metainfo;
    }

    // As it hashes the same files itself.
    std::string of_libtorrent(const swarm::Metainfo& metainfo) const
    {
        lt::file_storage files;
        const std::string name = metainfo.files.size() == 1 ? metainfo.files.front().digest.hex()
                                                            : std::string(swarm::kTorrentFolder);
        lt::add_files(files, (folder_.path() / name).string());
        const std::uint32_t piece_bytes = swarm::piece_bytes_for(metainfo.total_bytes());
        lt::create_torrent torrent(files, static_cast<int>(piece_bytes),
                                   lt::create_torrent::v2_only);
        lt::set_piece_hashes(torrent, folder_.path().string());
        lt::entry entry = torrent.generate();
        entry.dict().erase("creation date");
        entry.dict().erase("created by");
        std::string text;
        lt::bencode(std::back_inserter(text), entry);
        return text;
    }

    TemporaryFolder folder_;
};

TEST_F(TorrentMetainfo, IsByteForByteWhatLibtorrentMakes)
{
    const std::vector<std::vector<std::size_t>> cases = {
        {1},
        {65'536},
        {65'537},
        {16'384 * 9 + 1},
        {1'000'000},
        {1, 16'384, 16'385, 65'536, 65'537, 400'000},
        {200'000'000, 300'000},
    };
    for (const auto& sizes : cases) {
        const auto metainfo = make(sizes);
        const std::string text = to_torrent(metainfo);
        EXPECT_EQ(text, of_libtorrent(metainfo));
        lt::error_code error;
        const lt::torrent_info read(text, error, lt::from_span);
        ASSERT_FALSE(error) << error.message();
        EXPECT_TRUE(read.v2_piece_hashes_verified());
        const auto hash = read.info_hashes().v2.to_string();
        EXPECT_EQ(to_hex(reinterpret_cast<const std::uint8_t*>(hash.data()), hash.size()),
                  info_hash_of(metainfo));
        std::filesystem::remove_all(folder_.path() / swarm::kTorrentFolder);
    }
}

}  // namespace
}  // namespace aptward::torrent
