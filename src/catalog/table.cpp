// SPDX-License-Identifier: GPL-3.0-or-later
// Layout, all numbers little-endian as the machine has them (the file never leaves it):
//
//   header | buckets: {tag, offset} x 2^k | entries: {size, key length, kind, hash, key}
//          | SHA-256 of everything before
//
// Open addressing; a bucket's tag is the upper half of the path's hash, so that nearly every miss
// ends without touching an entry. All of an entry lies in one place: a hit reads two.
#include "catalog/table.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "crypto/crypto.h"

namespace aptward::catalog {
namespace {

constexpr std::uint64_t kMagic = 0x3242545754504141;  // "AAPTWTB2"
constexpr std::uint32_t kEmpty = 0xffffffff;
constexpr std::size_t kSumBytes = 32;
constexpr std::size_t kLongestPath = 4096;  // of clean paths (deb/deb.h)
constexpr std::size_t kLargestHash = 64;
constexpr std::size_t kPiece = 1 << 18;  // of a walk over the file

struct Bucket {
    std::uint32_t tag, offset;
};
struct Entry {  // followed by the hash and the key
    std::uint64_t size_bytes;
    std::uint16_t key_bytes;
    std::uint8_t algorithm;
    std::uint8_t is_shadowed;  // an earlier one has its path
    std::uint32_t reserved;
};

std::uint64_t mix(std::uint64_t a, std::uint64_t b)
{
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Multiply-and-fold over eight bytes at a time, keyed by the seed.
std::uint64_t hash_path(std::string_view path, std::uint64_t seed)
{
    std::uint64_t hash = seed ^ path.size() * 0xff51afd7ed558ccdULL;
    while (path.size() >= 8) {
        std::uint64_t part = 0;
        std::memcpy(&part, path.data(), 8);
        hash = mix(hash ^ part, 0xa0761d6478bd642fULL ^ seed);
        path.remove_prefix(8);
    }
    std::uint64_t part = 0;
    if (!path.empty())
        std::memcpy(&part, path.data(), path.size());
    return mix(mix(hash ^ part, 0xe7037ed1a0b428dbULL), seed | 1);
}

template <class T>
void append(std::string& bytes, const T& value)
{
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes.append(raw, sizeof raw);
}

template <class T>
T load(const char* from)
{
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

std::uint8_t mark_of(std::uint32_t tag)
{
    return static_cast<std::uint8_t>(1 + tag % 255);
}

/// A view of one entry.
struct Read {
    explicit Read(const char* at) : entry(load<Entry>(at)), hash(at + sizeof entry) {}

    HashAlgorithm algorithm() const
    {
        return entry.algorithm == 0 ? HashAlgorithm::sha256 : HashAlgorithm::sha512;
    }
    std::string_view key() const { return {hash + hash_bytes(algorithm()), entry.key_bytes}; }
    /// With hash and key, which may lie outside what was read: neither is looked at.
    std::size_t bytes() const { return sizeof entry + hash_bytes(algorithm()) + entry.key_bytes; }
    Digest digest() const
    {
        Digest digest;
        digest.algorithm = algorithm();
        digest.size_bytes = entry.size_bytes;
        std::memcpy(digest.hash.data(), hash, hash_bytes(algorithm()));
        return digest;
    }

    Entry entry;
    const char* hash;
};

}  // namespace

std::size_t Table::Header::buckets_bytes() const
{
    return (std::size_t{bucket_mask} + 1) * sizeof(Bucket);
}

std::size_t Table::Header::whole_bytes() const
{
    return sizeof(Header) + buckets_bytes() + entries_bytes + kSumBytes;
}

TableBuilder::TableBuilder(std::size_t expected_bytes)
{
    if (::getrandom(&seed_, sizeof seed_, 0) != sizeof seed_)
        seed_ = 0x9E3779B97F4A7C15ULL;
    entries_.reserve(expected_bytes);
}

void TableBuilder::add(std::string_view path, const Digest& digest)
{
    const std::size_t entry_bytes = sizeof(Entry) + hash_bytes(digest.algorithm) + path.size();
    if (path.size() > kLongestPath || entries_.size() + entry_bytes >= kEmpty) {
        is_too_large_ = true;
        return;
    }
    places_.push_back({hash_path(path, seed_), static_cast<std::uint32_t>(entries_.size())});
    append(entries_, Entry{digest.size_bytes, static_cast<std::uint16_t>(path.size()),
                           static_cast<std::uint8_t>(digest.algorithm), 0, 0});
    const std::size_t at = entries_.size();
    const std::size_t hash_size = hash_bytes(digest.algorithm);
    entries_.resize(at + hash_size);
    std::memcpy(entries_.data() + at, digest.hash.data(), hash_size);
    entries_ += path;
}

Result<std::string> TableBuilder::finish() &&
{
    if (is_too_large_)
        return fail(Errc::malformed, "it names more than a table can hold");
    Table::Header header{};
    header.magic = kMagic;
    header.seed = seed_;
    header.entries_bytes = entries_.size();
    const auto wanted = static_cast<std::uint32_t>(places_.size() * 3 / 2 + 1);
    header.bucket_mask = std::bit_ceil(wanted) - 1;
    std::vector<Bucket> buckets(std::size_t{header.bucket_mask} + 1, Bucket{0, kEmpty});
    for (const Place& place : places_) {
        const auto tag = static_cast<std::uint32_t>(place.hash >> 32);
        const auto key_at = [&](std::uint32_t offset) { return Read(&entries_[offset]).key(); };
        std::uint32_t slot = static_cast<std::uint32_t>(place.hash) & header.bucket_mask;
        bool is_known = false;
        while (buckets[slot].offset != kEmpty && !is_known) {
            is_known =
                buckets[slot].tag == tag && key_at(buckets[slot].offset) == key_at(place.offset);
            if (!is_known)
                slot = (slot + 1) & header.bucket_mask;
        }
        if (is_known) {
            entries_[place.offset + offsetof(Entry, is_shadowed)] = 1;
            continue;
        }
        buckets[slot] = {tag, place.offset};
        ++header.count;
    }
    std::string bytes;
    bytes.reserve(header.whole_bytes());
    append(bytes, header);
    bytes.append(reinterpret_cast<const char*>(buckets.data()), header.buckets_bytes());
    bytes += entries_;
    const Digest sum = crypto::digest_of(bytes);
    bytes.append(reinterpret_cast<const char*>(sum.hash.data()), kSumBytes);
    return bytes;
}

Result<std::shared_ptr<const Table>> Table::open(const std::filesystem::path& file)
{
    Fd opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened && errno == ENOENT)
        return fail(Errc::not_found, "there is no table " + file.string());
    if (!opened)
        return fail_errno("opening " + file.string(), errno);
    struct ::stat status{};
    if (::fstat(opened.get(), &status) != 0)
        return fail_errno("looking at " + file.string(), errno);
    const auto size = static_cast<std::size_t>(status.st_size);
    char raw[sizeof(Header)] = {};
    if (size >= sizeof raw)
        TRY_VOID(read_all_at(opened.get(), raw, 0));
    const auto header = load<Header>(raw);
    if (header.magic != kMagic || header.entries_bytes >= size ||
        !std::has_single_bit(std::uint64_t{header.bucket_mask} + 1) || header.whole_bytes() != size)
        return fail(Errc::malformed, file.string() + " is no table");
    std::shared_ptr<Table> table(new Table(std::move(opened), header));
    auto checked = table->check();
    if (!checked)
        return tl::unexpected<Error>(std::move(checked).error().within(file.string()));
    return std::shared_ptr<const Table>(std::move(table));
}

// Reads it all once: for the sum at its end, and for the marks.
Result<void> Table::check()
{
    static_assert(sizeof(Header) % sizeof(Bucket) == 0 && kPiece % sizeof(Bucket) == 0,
                  "no bucket lies in two pieces");
    marks_.resize(std::size_t{header_.bucket_mask} + 1);
    const std::size_t buckets_end = sizeof(Header) + header_.buckets_bytes();
    const std::size_t size = header_.whole_bytes() - kSumBytes;
    crypto::Hasher hasher;
    std::string piece(std::min(kPiece, size), '\0');
    bool has_end = false;
    for (std::size_t start = 0; start < size; start += piece.size()) {
        piece.resize(std::min(kPiece, size - start));
        TRY_VOID(read(piece, start));
        hasher.update(piece);
        std::size_t at = std::max(start, sizeof(Header));
        for (; at < std::min(start + piece.size(), buckets_end); at += sizeof(Bucket)) {
            const auto bucket = load<Bucket>(&piece[at - start]);
            if (bucket.offset != kEmpty)
                marks_[(at - sizeof(Header)) / sizeof(Bucket)] = mark_of(bucket.tag);
            else
                has_end = true;
        }
    }
    char sum[kSumBytes];
    TRY_VOID(read(sum, size));
    if (std::memcmp(hasher.digest().hash.data(), sum, kSumBytes) != 0)
        return fail(Errc::malformed, "it is damaged");
    if (!has_end)  // the builder leaves a third empty; without one a look-up never ends
        return fail(Errc::malformed, "it has no empty bucket");
    return {};
}

tl::unexpected<Error> Table::break_down(Error error) const
{
    is_broken_.store(true, std::memory_order_relaxed);
    return tl::unexpected<Error>(std::move(error).within("a table"));
}

Result<void> Table::read(std::span<char> bytes, std::uint64_t offset) const
{
    auto done = read_all_at(file_.get(), bytes, offset);
    if (!done)
        return break_down(std::move(done).error());
    return {};
}

Result<std::optional<Digest>> Table::find(std::string_view path) const
{
    if (path.size() > kLongestPath)
        return std::nullopt;
    const std::uint64_t hash = hash_path(path, header_.seed);
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    std::uint32_t slot = static_cast<std::uint32_t>(hash) & header_.bucket_mask;
    for (; marks_[slot] != 0; slot = (slot + 1) & header_.bucket_mask) {
        if (marks_[slot] != mark_of(tag))
            continue;
        char raw[sizeof(Bucket)];
        TRY_VOID(read(raw, sizeof(Header) + std::uint64_t{slot} * sizeof(Bucket)));
        const auto bucket = load<Bucket>(raw);
        if (bucket.tag != tag)
            continue;
        TRY(const auto found, read_entry(bucket.offset, path));
        if (found)
            return found;
    }
    return std::nullopt;
}

// Nothing when the entry is of another path.
Result<std::optional<Digest>> Table::read_entry(std::uint32_t offset, std::string_view path) const
{
    char raw[sizeof(Entry) + kLargestHash + kLongestPath];
    const std::uint64_t start = sizeof(Header) + header_.buckets_bytes() + offset;
    const std::uint64_t end = header_.whole_bytes() - kSumBytes;
    if (start + sizeof(Entry) > end)  // it was whole when it was opened
        return break_down({Errc::storage, "its bytes have changed"});
    const std::size_t size =
        std::min(sizeof(Entry) + kLargestHash + path.size(), static_cast<std::size_t>(end - start));
    TRY_VOID(read({raw, size}, start));
    const Read entry(raw);
    if (entry.bytes() > size || entry.key() != path)
        return std::nullopt;
    return entry.digest();
}

Result<void> Table::each(const Visit& visit) const
{
    constexpr std::size_t kLargestEntry = sizeof(Entry) + kLargestHash + kLongestPath;
    const std::uint64_t end = header_.whole_bytes() - kSumBytes;
    std::string piece;
    std::size_t at = 0;  // in `piece`, which begins at `start`
    for (std::uint64_t start = sizeof(Header) + header_.buckets_bytes(); start + at < end;) {
        if (piece.size() - at < kLargestEntry && start + piece.size() < end) {
            start += at;
            at = 0;
            piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, end - start)));
            TRY_VOID(read(piece, start));
        }
        const std::size_t left = piece.size() - at;
        if (left < sizeof(Entry) || Read(&piece[at]).bytes() > left)
            return break_down({Errc::storage, "its bytes have changed"});
        const Read entry(&piece[at]);
        if (entry.entry.is_shadowed == 0)
            visit(entry.key(), entry.digest());
        at += entry.bytes();
    }
    return {};
}

}  // namespace aptward::catalog
