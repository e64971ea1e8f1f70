// SPDX-License-Identifier: GPL-3.0-or-later
// The text is so narrow that it is read as it is written: each piece of grammar in its place, and
// what is between them by its length. There is no reader of bencoding in general.
#include "swarm/metainfo.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <optional>

#include "base/lines.h"
#include "base/text.h"
#include "crypto/crypto.h"

namespace aptward::swarm {
namespace {

constexpr std::size_t kNameDigits = 64;
constexpr std::size_t kHashBytes = std::tuple_size_v<MerkleHash>;
// Few enough pieces that their hashes stay small, and many enough that others have some early.
constexpr std::uint64_t kMostPieces = 2000;
constexpr std::uint32_t kLeastPieceBytes = 64 * 1024, kMostPieceBytes = 8 * 1024 * 1024;

constexpr std::string_view kMagnet = "magnet:?", kTopic = "xt=urn:btmh:1220";

MerkleHash hash_of(std::string_view bytes)
{
    MerkleHash hash;
    const Digest digest = crypto::digest_of(bytes);
    std::copy_n(digest.hash.begin(), hash.size(), hash.begin());
    return hash;
}

std::string_view bytes_of(const MerkleHash& hash)
{
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

MerkleHash hash_of(const MerkleHash& left, const MerkleHash& right)
{
    std::string both(bytes_of(left));
    both += bytes_of(right);
    return hash_of(both);
}

// The root over a layer whose end is filled up with `filler` to `width`, a power of two.
MerkleHash root_over(std::vector<MerkleHash> layer, std::size_t width, MerkleHash filler)
{
    for (; width > 1; width /= 2) {
        if (layer.size() % 2 != 0)
            layer.push_back(filler);
        for (std::size_t i = 0; i < layer.size() / 2; ++i)
            layer[i] = hash_of(layer[2 * i], layer[2 * i + 1]);
        layer.resize(layer.size() / 2);
        filler = hash_of(filler, filler);
    }
    return layer.front();
}

// Of a piece of which nothing is there: blocks that are missing count as zeros (BEP 52).
MerkleHash empty_piece(std::uint32_t piece_bytes)
{
    MerkleHash hash{};
    for (std::size_t width = piece_bytes / kBlockBytes; width > 1; width /= 2)
        hash = hash_of(hash, hash);
    return hash;
}

MerkleHash root_of_pieces(const std::vector<MerkleHash>& pieces, std::uint32_t piece_bytes)
{
    return root_over(pieces, std::bit_ceil(pieces.size()), empty_piece(piece_bytes));
}

std::uint64_t pieces_of(std::uint64_t size_bytes, std::uint32_t piece_bytes)
{
    return (size_bytes + piece_bytes - 1) / piece_bytes;
}

std::string info_of(const Metainfo& metainfo)
{
    std::string text = "d9:file treed";
    for (const SharedFile& file : metainfo.files)
        text +=
            fmt::format("{}:{}d0:d6:lengthi{}e11:pieces root{}:{}ee", kNameDigits,
                        file.digest.hex(), file.digest.size_bytes, kHashBytes, bytes_of(file.root));
    const std::string name = metainfo.files.size() == 1 ? metainfo.files.front().digest.hex()
                                                        : std::string(kTorrentFolder);
    return text + fmt::format("e12:meta versioni2e4:name{}:{}12:piece lengthi{}ee", name.size(),
                              name, piece_bytes_for(metainfo.total_bytes()));
}

/// A text from its beginning to its end; what is wrong once stays wrong.
class Reader {
public:
    explicit Reader(std::string_view text) : rest_(text) {}

    bool skip(std::string_view expected)
    {
        const bool is_there = rest_.starts_with(expected);
        if (is_there)
            rest_.remove_prefix(expected.size());
        return is_there;
    }
    void expect(std::string_view expected) { is_wrong_ = !skip(expected) || is_wrong_; }
    std::string_view take(std::size_t count)
    {
        is_wrong_ = is_wrong_ || count > rest_.size();
        const std::string_view taken = rest_.substr(0, is_wrong_ ? 0 : count);
        rest_.remove_prefix(taken.size());
        return taken;
    }
    // "NUMBERe", as bencoding spells it.
    std::uint64_t number(char end)
    {
        const std::string_view digits = rest_.substr(0, rest_.find(end));
        const auto number = parse_number(digits);
        is_wrong_ = is_wrong_ || !number || std::to_string(*number) != digits;
        take(digits.size());
        expect({&end, 1});
        return is_wrong_ ? 0 : *number;
    }
    MerkleHash hash()
    {
        MerkleHash hash{};
        const std::string_view bytes = take(kHashBytes);
        std::copy(bytes.begin(), bytes.end(), hash.begin());
        return hash;
    }
    bool is_wrong() const { return is_wrong_; }
    bool is_over() const { return rest_.empty() && !is_wrong_; }
    void refuse() { is_wrong_ = true; }

private:
    std::string_view rest_;
    bool is_wrong_ = false;
};

constexpr const char* kNoTorrent = "it is no torrent in the form that nodes make";

// "64:HEXd0:d6:lengthiSIZEe11:pieces root32:ROOTee"
SharedFile read_entry(Reader& reader)
{
    SharedFile file;
    const std::string_view name = reader.take(kNameDigits);
    reader.expect("d0:d6:lengthi");
    const std::uint64_t size = reader.number('e');
    reader.expect("11:pieces root32:");
    file.root = reader.hash();
    reader.expect("ee");
    const auto digest = parse_digest(name, size);
    if (!digest || digest->hex() != name || size == 0 || size > kMostSharedBytes)
        reader.refuse();
    else
        file.digest = *digest;
    return file;
}

Result<std::vector<SharedFile>> read_files(Reader& reader)
{
    std::vector<SharedFile> files;
    std::uint64_t total = 0;
    while (reader.skip("64:")) {
        SharedFile file = read_entry(reader);
        total += file.digest.size_bytes;
        const bool is_next =
            files.empty() || files.back().digest.hash < file.digest.hash;  // each once
        if (reader.is_wrong() || !is_next)
            return fail(Errc::malformed, kNoTorrent);
        if (files.size() == kMostTorrentFiles || total > kMostSharedBytes)
            return fail(Errc::malformed, "it has more files, or larger ones, than nodes share");
        files.push_back(std::move(file));
    }
    if (files.empty())
        return fail(Errc::malformed, kNoTorrent);
    return files;
}

// The files with more than one piece, in the order of their roots, each once.
std::vector<std::size_t> in_order_of_roots(const Metainfo& metainfo)
{
    const std::uint32_t piece_bytes = piece_bytes_for(metainfo.total_bytes());
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < metainfo.files.size(); ++i)
        if (metainfo.files[i].digest.size_bytes > piece_bytes)
            places.push_back(i);
    std::sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) {
        return metainfo.files[a].root < metainfo.files[b].root;
    });
    return places;
}

void read_pieces(Reader& reader, Metainfo& metainfo)
{
    const std::uint32_t piece_bytes = piece_bytes_for(metainfo.total_bytes());
    for (const std::size_t place : in_order_of_roots(metainfo)) {
        SharedFile& file = metainfo.files[place];
        const std::uint64_t count = pieces_of(file.digest.size_bytes, piece_bytes);
        reader.expect("32:");
        const MerkleHash root = reader.hash();
        const std::uint64_t bytes = reader.number(':');
        if (root != file.root || bytes != count * kHashBytes)
            reader.refuse();
        while (!reader.is_wrong() && file.pieces.size() < count)
            file.pieces.push_back(reader.hash());
        if (reader.is_wrong() || root_of_pieces(file.pieces, piece_bytes) != root)
            return reader.refuse();
    }
}

bool is_hash(std::string_view text)
{
    const auto digest = parse_digest(text, 0);
    return digest && text.size() == kNameDigits && digest->hex() == text;
}

}  // namespace

std::uint64_t Metainfo::total_bytes() const
{
    std::uint64_t total = 0;
    for (const SharedFile& file : files)
        total += file.digest.size_bytes;
    return total;
}

std::string Metainfo::path_of(const SharedFile& file) const
{
    const std::string name = file.digest.hex();
    return files.size() == 1 ? name : fmt::format("{}/{}", kTorrentFolder, name);
}

std::uint32_t piece_bytes_for(std::uint64_t total_bytes)
{
    std::uint32_t bytes = kLeastPieceBytes;
    while (bytes < kMostPieceBytes && total_bytes / bytes > kMostPieces)
        bytes *= 2;
    return bytes;
}

void PieceHasher::update(std::string_view bytes)
{
    while (!bytes.empty()) {
        const std::size_t count = std::min(kBlockBytes - block_.size(), bytes.size());
        block_ += bytes.substr(0, count);
        bytes.remove_prefix(count);
        if (block_.size() == kBlockBytes)
            end_block();
    }
}

void PieceHasher::end_block()
{
    const std::size_t blocks_of_piece = piece_bytes_ / kBlockBytes;
    if (blocks_.size() == blocks_of_piece) {
        pieces_.push_back(root_over(std::move(blocks_), blocks_of_piece, {}));
        blocks_.clear();
    }
    blocks_.push_back(hash_of(block_));
    block_.clear();
}

SharedFile PieceHasher::finish(const Digest& digest) &&
{
    if (!block_.empty())
        end_block();
    SharedFile file;
    file.digest = digest;
    if (blocks_.empty())
        return file;
    if (pieces_.empty()) {
        const std::size_t width = std::bit_ceil(blocks_.size());
        file.root = root_over(std::move(blocks_), width, {});
        return file;
    }
    pieces_.push_back(root_over(std::move(blocks_), piece_bytes_ / kBlockBytes, {}));
    file.root = root_of_pieces(pieces_, piece_bytes_);
    file.pieces = std::move(pieces_);
    return file;
}

std::string info_hash_of(const Metainfo& metainfo)
{
    return crypto::digest_of(info_of(metainfo)).hex();
}

std::string to_torrent(const Metainfo& metainfo)
{
    std::string text = "d4:info" + info_of(metainfo) + "12:piece layersd";
    for (const std::size_t place : in_order_of_roots(metainfo)) {
        const SharedFile& file = metainfo.files[place];
        text += fmt::format("{}:{}{}:", kHashBytes, bytes_of(file.root),
                            file.pieces.size() * kHashBytes);
        for (const MerkleHash& piece : file.pieces)
            text += bytes_of(piece);
    }
    return text + "ee";
}

Result<Metainfo> parse_torrent(std::string_view text)
{
    if (text.size() > kMostTorrentBytes)
        return fail(Errc::malformed, "its torrent is larger than 4 MiB");
    Reader reader(text);
    reader.expect("d4:infod9:file treed");
    Metainfo metainfo;
    TRY(metainfo.files, read_files(reader));
    const std::string info = info_of(metainfo);
    // What follows the files in it follows from them.
    reader.expect(std::string_view(info).substr(info.rfind("e12:meta version")));
    reader.expect("12:piece layersd");
    if (!reader.is_wrong())
        read_pieces(reader, metainfo);
    reader.expect("ee");
    if (!reader.is_over())
        return fail(Errc::malformed, kNoTorrent);
    return metainfo;
}

std::string magnet_of(std::string_view info_hash)
{
    return fmt::format("{}{}{}", kMagnet, kTopic, info_hash);
}

Result<std::string> parse_magnet(std::string_view text)
{
    if (is_hash(text))
        return std::string(text);
    const bool is_link = text.starts_with(kMagnet);
    text.remove_prefix(is_link ? kMagnet.size() : text.size());
    while (!text.empty()) {
        const std::string_view part = take_part(text, '&');
        if (part.starts_with(kTopic) && is_hash(part.substr(kTopic.size())))
            return std::string(part.substr(kTopic.size()));
    }
    return fail(Errc::malformed,
                "write magnet:?xt=urn:btmh:1220 and the 64 hexadecimal digits of "
                "a torrent of version 2, or the digits alone");
}

}  // namespace aptward::swarm
